"""Whiten images.npz: fit a ZCA on its training images, apply it to all, write zca.npz."""

import argparse

from ablation import datasets, errors, files, whitening


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    parser.add_argument("--image-digests", nargs=2, required=True, help="of its training and of its test images")
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument(
        "--leave-out", type=float, required=True, help="share of the training images, from the end, not to fit on"
    )
    parser.add_argument("--output", required=True)
    parser.add_argument("--digests", nargs=2, required=True, help="of the whitened training and test images")
    arguments = parser.parse_args()

    of_train, of_test = arguments.image_digests
    x_train, y_train, _ = files.read_images(arguments.images, "train", of_train)
    x_test, y_test, _ = files.read_images(arguments.images, "test", of_test)
    fitted = datasets.split_point(len(x_train), arguments.leave_out) if arguments.leave_out else len(x_train)
    zca = whitening.fit(x_train[:fitted], arguments.epsilon)
    x_train, x_test = whitening.apply(zca, x_train), whitening.apply(zca, x_test)
    files.write_images(
        arguments.output,
        *arguments.digests,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        mean=zca.mean,
        eigenvalues=zca.eigenvalues,
        epsilon=zca.epsilon,
        filters=whitening.centre_filters(zca, x_train.shape[1:]),
    )
    print(f"fitted on {fitted} of {len(x_train)} training images")
    print(f"mean {zca.mean}, smallest eigenvalue {zca.eigenvalues[-1]:.4g}, epsilon {zca.epsilon:g}")
    print(f"standard deviation: training {x_train.std(dtype='float64'):.5f}, test {x_test.std(dtype='float64'):.4f}")


if __name__ == "__main__":
    errors.run(main)
