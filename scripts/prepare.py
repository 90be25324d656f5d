"""Make images.npz, the one form that every dataset takes: uint8 images, labels, class names."""

import argparse
import json
import logging
from pathlib import Path

from ablation import errors, keys, logs, sources
from ablation.data import datasets, images

logger = logging.getLogger("ablation.prepare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="what the dataset is read from; the digits need nothing")
    parser.add_argument("--warning", help="what to say about the source")
    parser.add_argument("--groups", help="as dataset.groups")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the images, as JSON")
    parser.add_argument("--output", required=True, help="images.npz; its record goes next to it")
    parser.add_argument("--log", help="a file for what is printed")
    arguments = parser.parse_args()
    logs.start(arguments.log)

    made_from = arguments.made_from
    name, seed = made_from["dataset"], made_from["shuffle_seed"]
    digest = sources.digest(name, arguments.source)
    if digest != made_from["source"]:
        raise errors.InputError(f"{arguments.source}: has changed since this job was planned; run snakemake again")
    if arguments.warning:
        logger.warning(f"{arguments.source}: {arguments.warning}")
    settings = {"size": made_from.get("size"), "groups": arguments.groups}
    settings = {key: value for key, value in settings.items() if value is not None}
    dataset = datasets.read_dataset(name, arguments.source, seed, **settings)
    dataset = datasets.shuffle(dataset, seed, made_from.get("validation_splits", ()))
    keys.check_code(made_from)
    repeats = datasets.repeats(dataset)
    for warning in repeats.values():
        logger.warning(f"{warning}; delete the copies")
    images.write_images(arguments.output, made_from, facts={"repeats": repeats}, **vars(dataset))
    logger.info(
        f"{len(dataset.x_train)} training and {len(dataset.x_test)} test images"
        f" ({' x '.join(map(str, dataset.x_train.shape[1:]))}) of {len(dataset.class_names)} classes"
    )


if __name__ == "__main__":
    errors.run(main)
