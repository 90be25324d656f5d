"""Whiten images.npz: fit a ZCA on its training images, apply it to all, write zca.npz."""

import argparse

from ablation import errors, files, whitening


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    x_train, y_train, x_test, y_test = files.read_npz(arguments.images, "x_train", "y_train", "x_test", "y_test")
    zca = whitening.fit(x_train, arguments.epsilon)
    x_train, x_test = whitening.apply(zca, x_train), whitening.apply(zca, x_test)
    files.write_npz(
        arguments.output,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        mean=zca.mean,
        eigenvalues=zca.eigenvalues,
        epsilon=zca.epsilon,
    )
    print(f"mean {zca.mean}, smallest eigenvalue {zca.eigenvalues[-1]:.4g}, epsilon {zca.epsilon:g}")
    print(f"standard deviation: training {x_train.std(dtype='float64'):.5f}, test {x_test.std(dtype='float64'):.4f}")


if __name__ == "__main__":
    errors.run(main)
