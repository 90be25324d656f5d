"""What trained models make of pictures that are in no data set: a class and its probability for each."""

import csv
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ablation import files, logs
from ablation.data import images, pictures, whitening
from ablation.errors import InputError
from ablation.keys import code_of, key_of
from ablation.own_files import is_own
from ablation.training import devices

BATCH = 2000  # pictures in memory at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A run that can predict.

    predict: as `evaluation.make_predict_fn` returns it; image_shape: (height, width, channels); zca: what images are
    whitened with, None where the network sees raw pixels.
    """

    folder: Path
    predict: Callable[[np.ndarray], np.ndarray]
    image_shape: tuple[int, int, int]
    test_time_augmentation: str
    class_names: list[str]
    zca: whitening.ZCA | None

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the (n, classes) float32 probabilities of (n, height, width, channels) uint8 images.

        They come about as those of the test images in the run's evaluation.
        """
        from ablation.training import evaluation

        seen = whitening.apply(self.zca, pixels) if self.zca else images.scale(pixels)
        views = evaluation.predict_views(self.predict, seen, self.test_time_augmentation)
        return evaluation.average_views(views, self.test_time_augmentation)


def predict_pictures(
    folders: list[Path], given: list[Path], output: Path | None, *, all_classes: bool, threads: int
) -> None:
    """Write a CSV table of file, class and probability of pictures; with `all_classes` a column more for every class.

    folders: of one run, or of several, whose probabilities are averaged; given: pictures, and folders of pictures;
    output: the table's file, None for standard output. Pictures that can't be read are logged and left out.

    Raises InputError where that happened, at the end; before anything is read, where there are no pictures; and as
    `load_run` does or where runs have other classes or sizes of images than the first one.
    """
    paths = list_pictures(given)
    with logs.without_chatter():
        devices.start_tensorflow("cpu", threads)
    if again := next((folder for number, folder in enumerate(folders) if folder in folders[:number]), None):
        raise InputError(f"{again}: is given twice")
    runs = [load_run(folder) for folder in folders]
    _check_alike(runs)
    height, width, channels = runs[0].image_shape
    class_names, broken = runs[0].class_names, 0
    with _text_output(output) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "class", "probability", *(f"p_{name}" for name in class_names if all_classes)])
        for start in range(0, len(paths), BATCH):
            read = {}
            for path in paths[start : start + BATCH]:
                try:
                    read[path] = pictures.read_picture(path, (height, width), channels)
                except InputError as error:
                    logger.error(error)
                    broken += 1
            if read:
                pixels = np.stack(list(read.values()))
                probabilities = np.mean([run.probabilities(pixels) for run in runs], axis=0)
                for path, row in zip(read, probabilities, strict=True):
                    shown = [f"{value:.4f}" for value in row]
                    best = int(row.argmax())
                    table.writerow([path, class_names[best], shown[best], *(shown if all_classes else [])])
    if broken:
        raise InputError(f"{broken} of {len(paths)} pictures could not be read; they have no prediction")


def list_pictures(given: list[Path]) -> list[Path]:
    """Return files as they are given, and of folders all pictures below them, by suffix, in the order of their names.

    Hidden ones are left out, and no path comes twice. Raises InputError for what is not there, and for a folder without
    pictures.
    """
    found: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            below = [file for file in sorted(path.rglob("*")) if _is_picture(file.relative_to(path))]
            if not below:
                raise InputError(f"{path}: has no pictures ({', '.join(pictures.SUFFIXES)})")
            found |= dict.fromkeys(below)
        elif path.exists():
            found[path] = None
        else:
            raise InputError(f"{path}: no such file or folder")
    return list(found)


def _is_picture(path: Path) -> bool:
    """Tell by its name whether a path is a picture, and neither hidden nor in a hidden folder."""
    return path.suffix.lower() in pictures.SUFFIXES and not any(part.startswith(".") for part in path.parts)


def load_run(folder: Path) -> Run:
    """Return the run in a folder, runs/{model}/seed{seed} of the results of a study.

    The class names and what the whitening is fitted on are in the images of the study, data/{key}/images.npz. A
    whitening is fitted once, and kept next to zca.npz as whitening.npz.

    Raises InputError where one of its files or the images are gone, or the model is another than the recorded one.
    """
    from ablation.training import evaluation, networks

    if not (folder / "metrics.json").exists():
        raise InputError(f"{folder}: has no metrics.json; name the folder of a run, as in results/runs/model7/seed1")
    metrics, training = (
        files.read_record(folder / name, made_from=dict, spec=dict, model_digest=str)
        for name in ("metrics.json", "training.json")
    )
    made_from, data = metrics["made_from"], training["made_from"]["data"]
    path = folder / "model.keras"
    if not path.exists():
        raise InputError(f"{path}: no such file; {_remedy(path)}")
    if files.file_digest(path) != metrics["model_digest"]:
        raise InputError(f"{path}: does not match the digest in metrics.json; delete {folder} and run again")
    is_whitened = metrics["spec"]["input"] == "zca"
    store = Path(os.path.relpath(folder.absolute().parents[2] / "data"))  # as Snakemake calls it
    source = store / key_of(data["images"] if is_whitened else data) / "images.npz"
    if not source.exists():
        why = "has the names of the classes" + (", and the whitening is fitted on it" if is_whitened else "")
        raise InputError(f"{source}: no such file, and it {why}; {_remedy(source)}")
    for code in (made_from["code"], *([data["code"]] if is_whitened else [])):
        if code_of(*code["modules"]) != code:
            logger.warning(f"{folder}: the code of {', '.join(code['modules'])} has changed since; that may show")
    model = networks.load_model(path, _architecture(folder, metrics["spec"]["architecture"]))
    (class_names,) = files.read_npz(source, "class_names")
    return Run(
        folder,
        evaluation.make_predict_fn(model),
        model.input_shape[1:],
        metrics["test_time_augmentation"],
        class_names.tolist(),
        _whitening(source, data, store / key_of(data) / "whitening.npz") if is_whitened else None,
    )


def _architecture(folder: Path, name: str) -> str:
    """Return the architecture of a run; of a user's file, its path from here, or from a folder that the run is in."""
    if not is_own(name):
        return name
    for place in (Path(), *folder.absolute().parents):
        if (place / name).exists():
            return str(place / name)
    raise InputError(f"{folder}: needs the file of its network, '{name}', which is neither here nor above the run")


def _remedy(path: Path) -> str:
    return f"`snakemake --cores 1 {shlex.quote(str(path))}`, with the config of the study, makes it again"


def _whitening(source: Path, made_from: dict, kept: Path) -> whitening.ZCA:
    """Return a whitening, from the file `kept` if it is there; otherwise fitted again, and kept there if that can be.

    source: images.npz; made_from: what the whitening is made from, as `plan.Plan.whitened`.
    """
    if kept.exists():
        mean, filters, eigenvalues, fitted_on = files.read_npz(kept, "mean", "filters", "eigenvalues", "fitted_on")
        return whitening.ZCA(mean, filters, eigenvalues, made_from["epsilon"], int(fitted_on))
    logger.info(f"fitting the whitening on {source}, once")
    pixels, _, _ = images.read_images(source, "train")
    holdout = made_from["holdout"]
    zca = whitening.fit(pixels[: images.split_point(len(pixels), holdout) if holdout else None], made_from["epsilon"])
    try:
        files.write_npz(kept, mean=zca.mean, filters=zca.filters, eigenvalues=zca.eigenvalues, fitted_on=zca.fitted_on)
    except OSError as error:
        logger.warning(f"{kept}: can't be written ({error.strerror}); the next prediction fits the whitening again")
    return zca


def _check_alike(runs: list[Run]) -> None:
    """Raise InputError where a run has other classes or sizes of images than the first one."""
    first = runs[0]
    for run in runs[1:]:
        for what, value, expected in (
            ("images of", run.image_shape, first.image_shape),
            ("the classes", run.class_names, first.class_names),
        ):
            if value != expected:
                shown = [", ".join(map(str, values)) for values in (value, expected)]
                raise InputError(f"{run.folder}: has {what} {shown[0]}, but {first.folder} has {shown[1]}")


@contextmanager
def _text_output(path: Path | None) -> Iterator[IO[str]]:
    """Yield a text file that becomes `path` when it is complete, or standard output."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]  # any file's name
        yield sys.stdout
    else:
        with (
            files.user_output(path) as output,
            open(output, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            yield file
