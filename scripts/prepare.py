"""Make images.npz, the one form that every dataset takes: uint8 images, labels, class names."""

import argparse
import json
import logging

from ablation import errors, files, keys, logs
from ablation.data import datasets, images

logger = logging.getLogger("ablation.prepare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", nargs="?", help="the file that the dataset is read from; the digits need none")
    parser.add_argument("--sha256", required=True, help="of the official archive; another one is used with a warning")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the images, as JSON")
    parser.add_argument("--output", required=True, help="images.npz; its record goes next to it")
    parser.add_argument("--log", help="a file for what is printed")
    arguments = parser.parse_args()
    logs.start(arguments.log)

    made_from = arguments.made_from
    digest = files.file_digest(arguments.source) if arguments.source else None
    if digest != made_from["source"]:
        raise errors.InputError(f"{arguments.source}: has changed since this job was planned; run snakemake again")
    if made_from["dataset"] == "cifar10" and digest != arguments.sha256:
        logger.warning(f"{arguments.source}: used although its SHA-256 is {digest}, not download.sha256")
    dataset = datasets.read_dataset(made_from["dataset"], arguments.source, made_from["shuffle_seed"])
    dataset = datasets.shuffle(dataset, made_from["shuffle_seed"])
    keys.check_code(made_from)
    images.write_images(arguments.output, made_from, **vars(dataset))
    logger.info(
        f"{len(dataset.x_train)} training and {len(dataset.x_test)} test images of {len(dataset.class_names)} classes"
    )


if __name__ == "__main__":
    errors.run(main)
