"""Whiten images.npz: fit a ZCA on its training images, apply it to all, write zca.npz."""

import argparse
import json

from ablation import errors, keys
from ablation.data import images, whitening


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npz")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the whitening, as JSON")
    parser.add_argument("--output", required=True, help="zca.npz; its record goes next to it")
    arguments = parser.parse_args()

    made_from = arguments.made_from
    x_train, y_train, _ = images.read_images(arguments.images, "train")
    x_test, y_test, _ = images.read_images(arguments.images, "test")
    x_train, x_test, zca = whitening.whiten(x_train, x_test, made_from["epsilon"], made_from["holdout"])
    keys.check_code(made_from)
    images.write_images(
        arguments.output,
        made_from,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        mean=zca.mean,
        eigenvalues=zca.eigenvalues,
        epsilon=zca.epsilon,
        filters=whitening.center_pixel_filters(zca, x_train.shape[1:]),
    )
    print(f"fitted on {zca.fitted_on} of {len(x_train)} training images")
    print(f"mean {zca.mean}, smallest eigenvalue {zca.eigenvalues[-1]:.4g}, epsilon {zca.epsilon:g}")
    print(f"standard deviation: training {x_train.std(dtype='float64'):.5f}, test {x_test.std(dtype='float64'):.4f}")


if __name__ == "__main__":
    errors.run(main)
