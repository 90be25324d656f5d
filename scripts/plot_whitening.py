"""Plot what the whitening does: images before and after, its filters, its eigenvalues."""

import argparse

from ablation import errors, figures, files

IMAGES = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npz")
    parser.add_argument("--whitened", required=True, help="zca.npz")
    for output in ("pictures", "filters", "eigenvalues"):
        parser.add_argument(f"--{output}", required=True, metavar="PNG")
    arguments = parser.parse_args()

    images, labels, names = files.read_npz(arguments.images, "x_test", "y_test", "class_names")
    whitened, filters, eigenvalues, epsilon = files.read_npz(
        arguments.whitened, "x_test", "filters", "eigenvalues", "epsilon"
    )
    pictures = figures.whitened_images_plot(images[:IMAGES], whitened[:IMAGES], names[labels[:IMAGES]])
    figures.save(pictures, arguments.pictures)
    figures.save(figures.filters_plot(filters), arguments.filters)
    figures.save(figures.eigenvalues_plot(eigenvalues, float(epsilon)), arguments.eigenvalues)


if __name__ == "__main__":
    errors.run(main)
