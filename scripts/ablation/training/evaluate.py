"""One evaluation of a trained model on held-out images: predictions.npz and metrics.json, next to what was trained."""

import logging
from pathlib import Path

import numpy as np

from ablation import files
from ablation.data import images
from ablation.errors import InputError
from ablation.keys import check_code, key_of
from ablation.own_files import is_own, own_path
from ablation.settings.specs import ModelSpec
from ablation.training import checkpoint, devices

logger = logging.getLogger(__name__)


def evaluate_run(data: Path, training: Path, made_from: dict, folder: Path, *, architecture: str, threads: int) -> None:
    """Evaluate the model of the folder `training` and write model.keras and what `plan.RUN_FILES` names into `folder`.

    data: images.npz or zca.npz; made_from: everything that decides the evaluation; architecture: as the config has it
    now. It is on the test images; if made_from says so, on the validation images of the training instead, and no test
    image is read. Of the files of the training the model is linked into `folder`, or copied where the filesystem has no
    links, and the others are copied.

    Raises InputError where the code is no longer that which was planned, the training is another than the planned one
    or its files do not match their digests, as `images.read_images` does, and for probabilities that are not finite.
    """
    devices.start_tensorflow("cpu", threads)
    from ablation.training import evaluation, networks

    entries: dict[str, type] = {"spec": dict, "made_from": dict, "model_digest": str, "history_digest": str}
    trained = files.read_record(training / "training.json", **entries)
    model_path, history_path = training / "model.keras", training / "history.csv"
    if (trained.get("key"), trained.get("seed")) != (made_from["training"], made_from["seed"]):
        raise InputError(f"{training}: holds the training of another key or seed; delete it and run again")
    for path, digest in ((model_path, "model_digest"), (history_path, "history_digest")):
        if files.file_digest(path) != trained[digest]:
            raise InputError(f"{path}: does not match the digest in training.json; delete {training} and run again")
    part = made_from.get("report_on", "test")
    if part == "test":
        pixels, labels, digest = images.read_images(data, "test", made_from["test_images"])
    else:
        pixels, labels, digest = images.read_images(data, "train")
        spec, limit = ModelSpec(trained["spec"]), trained["made_from"]["train_images"]
        _, (pixels, labels) = images.split(pixels, labels, spec, made_from["seed"], limit)
        if len(labels) < 2:
            raise InputError("report_on: validation: there is one validation image; make validation_split larger")
    model = networks.load_model(model_path, architecture)
    own = {"network": own_path("architecture", architecture, "file")} if is_own(architecture) else {}
    check_code(made_from, **own)
    augmentation = made_from["test_time_augmentation"]
    predict = evaluation.make_predict_fn(model)
    views = evaluation.predict_views(predict, images.network_input(pixels), augmentation)
    probabilities = evaluation.average_views(views, augmentation)
    if not np.isfinite(probabilities).all():
        raise InputError(f"{model_path}: produced NaN or infinite probabilities; lower the model's learning_rate")
    loss, accuracy = evaluation.loss_and_accuracy(probabilities, labels)
    _, accuracy_no_tta = evaluation.loss_and_accuracy(evaluation.average_views(views, "none"), labels)

    predictions_path = folder / "predictions.npz"
    files.write_npz(
        predictions_path,
        probabilities=probabilities.astype(np.float16),
        predicted=probabilities.argmax(axis=1),  # which float16 may not tell
        labels=labels,
    )
    files.link_or_copy(model_path, folder / model_path.name)
    for path in (history_path, training / "training.json"):
        files.write_text(folder / path.name, path.read_text(encoding="utf-8"))
    parameters = networks.trainable_parameters(model)
    recorded = {key: value for key, value in trained.items() if key not in ("key", "made_from", "digest")}
    files.write_record(
        folder / "metrics.json",
        {
            "key": key_of(made_from),
            "model": made_from["model"],
            "seed": made_from["seed"],
            f"{part}_loss": loss,
            f"{part}_accuracy": accuracy,
            "test_time_augmentation": augmentation,
            f"{part}_accuracy_no_tta": accuracy_no_tta,
            f"{part}_images": len(labels),
            f"{part}_digest": digest,
            "predictions_digest": files.file_digest(predictions_path),
            "training_code": trained["made_from"]["code"]["syntax"],
            "parameters": parameters,
            "non_trainable_parameters": model.count_params() - parameters,
            **recorded,
            "made_from": made_from,
        },
    )
    checkpoint.remove(model_path)  # what Snakemake evaluates, it has taken for complete
    logger.info(f"{part} loss {loss:.4f}, {part} accuracy {accuracy:.4f}, {len(labels)} images")
