"""Whiten images.npz: fit a ZCA on its training images, apply it to all, write zca.npz."""

import argparse
import json
import logging

from ablation import errors, keys, logs
from ablation.data import images, whitening

logger = logging.getLogger("ablation.whiten")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npz")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the whitening, as JSON")
    parser.add_argument("--output", required=True, help="zca.npz; its record goes next to it")
    parser.add_argument("--log", help="a file for what is printed")
    arguments = parser.parse_args()
    logs.start(arguments.log)

    made_from = arguments.made_from
    x_train, y_train, _ = images.read_images(arguments.images, "train")
    x_test, y_test, _ = images.read_images(arguments.images, "test")
    logger.info(whitening.check_memory(x_train.shape[1:], len(x_train) + len(x_test)))
    x_train, x_test, zca = whitening.whiten(x_train, x_test, made_from["epsilon"], made_from["holdout"])
    fitted, test = whitening.spread(x_train[: zca.fitted_on]), whitening.spread(x_test)
    logger.info(f"fitted on {zca.fitted_on} of {len(x_train)} training images")
    logger.info(f"mean {zca.mean}, smallest eigenvalue {zca.eigenvalues[-1]:.4g}, epsilon {zca.epsilon:g}")
    logger.info(f"standard deviation: {fitted:.5f} where it was fitted, {test:.4f} on test images")
    warning = whitening.check_spread(zca, fitted, test)
    if warning:
        logger.warning(warning)
    keys.check_code(made_from)
    images.write_images(
        arguments.output,
        made_from,
        facts={"fitted_on": zca.fitted_on, "spread": {"fitted": fitted, "test": test}, "warning": warning},
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        mean=zca.mean,
        eigenvalues=zca.eigenvalues,
        epsilon=zca.epsilon,
        filters=whitening.center_pixel_filters(zca, x_train.shape[1:]),
    )


if __name__ == "__main__":
    errors.run(main)
