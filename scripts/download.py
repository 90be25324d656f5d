"""Fetch gzip files, each from the first source that can give it, resuming from what is already there."""

import argparse
from pathlib import Path

from ablation import errors, logs
from ablation.data import download


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sources",
        nargs="+",
        required=True,
        metavar="URL",
        help="tried in order; all serve the same; to one that ends in / the name of the output is added",
    )
    parser.add_argument("--sha256", nargs="+", type=str.lower, required=True, metavar="HEX", help="one per output")
    parser.add_argument(
        "--minimum-rate",
        type=float,
        required=True,
        metavar="KB_PER_S",
        help=f"a source slower than this over {download.WINDOW:g} seconds gives way to the next one; 0: never",
    )
    parser.add_argument("--output", nargs="+", required=True)
    parser.add_argument("--log", help="a file for what is printed")
    arguments = parser.parse_args()
    logs.start(arguments.log)

    try:
        for output, sha256 in zip(arguments.output, arguments.sha256, strict=True):
            sources = [f"{url}{Path(output).name}" if url.endswith("/") else url for url in arguments.sources]
            download.fetch(sources, sha256, output, arguments.minimum_rate)
    except errors.InputError as error:
        raise errors.InputError(
            f"{error}; set dataset.archive in config.yaml to a copy you downloaded yourself,"
            " or correct download.sources and download.sha256"
        ) from None


if __name__ == "__main__":
    errors.run(main)
