"""Make images.npz, the one form that every dataset takes: uint8 images, labels, class names."""

import argparse

from ablation import cifar10, datasets, errors, files


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, choices=["cifar10", "digits", "npz"])
    parser.add_argument("--source", nargs="?", help="the CIFAR-10 archive, or the npz; the digits need none")
    parser.add_argument("--sha256", help="what the archive's should be; another is reported")
    parser.add_argument("--shuffle-seed", type=int, required=True)
    parser.add_argument("--train-images", type=int, help="use only so many")
    parser.add_argument("--test-images", type=int, help="use only so many")
    parser.add_argument("--output", required=True)
    parser.add_argument("--digests", nargs=2, required=True, help="of the training and of the test images")
    arguments = parser.parse_args()

    if arguments.dataset == "digits":
        dataset = datasets.digits(arguments.shuffle_seed)
    elif arguments.dataset == "npz":
        dataset = datasets.from_npz(arguments.source, arguments.shuffle_seed)
    else:
        dataset = cifar10.read_archive(arguments.source)
        found = files.sha256_of(arguments.source)
        if found != arguments.sha256:
            print(f"{arguments.source}: used as it is; its SHA-256 is {found}, download.sha256 says {arguments.sha256}")
    dataset = datasets.permuted(dataset, arguments.shuffle_seed, arguments.train_images, arguments.test_images)
    files.write_images(arguments.output, *arguments.digests, **vars(dataset))
    print(f"{len(dataset.x_train)} training and {len(dataset.x_test)} test images "
          f"of {len(dataset.class_names)} classes")  # fmt: skip


if __name__ == "__main__":
    errors.run(main)
