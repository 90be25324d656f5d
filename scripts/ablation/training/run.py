"""One training, from images to model.keras, history.csv and training.json."""

import json
import logging
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ablation import files
from ablation.data import images
from ablation.errors import InputError
from ablation.keys import check_code, key_of
from ablation.own_files import is_own, own_path
from ablation.settings.specs import ModelSpec
from ablation.training import checkpoint, devices, provenance

logger = logging.getLogger(__name__)


def train_run(
    name: str,
    spec: ModelSpec,
    seed: int,
    data: Path,
    made_from: dict,
    folder: Path,
    *,
    device: str,
    threads: int,
    jobs_per_gpu: int,
    checkpoint_epochs: int,
    log_to: str = "",
) -> None:
    """Train a model with a seed, or resume its training, and write what `plan.TRAINING_FILES` names into `folder`.

    name: what progress lines call the model; data: images.npz or zca.npz; made_from: everything that decides the
    training but the seed, whose key is the name of the folder that `folder` is in. log_to: "tensorboard" writes the
    curves for it as well.

    Raises InputError where the code, the settings or the folder are no longer those that were planned, as
    `devices.start_tensorflow`, `images.read_images`, `images.split` and `loop.train` do; Interrupted as `loop.train`.
    """
    title = f"{name} seed {seed}"
    device = devices.start_tensorflow(device, threads, title, jobs_per_gpu)
    import keras
    import pandas as pd

    from ablation.training import loop, networks, tensorboard

    pixels, labels, train_digest = images.read_images(data, "train")
    keras.utils.set_random_seed(seed)
    policy, reason = devices.dtype_policy(spec.precision)
    keras.config.set_dtype_policy(policy)
    train_data, val_data = images.split(pixels, labels, spec, seed, made_from["train_images"])
    train_data, val_data = ((images.network_input(part), its_labels) for part, its_labels in (train_data, val_data))
    model = networks.build_network(spec, train_data[0], int(labels.max()) + 1)
    own = {"network": own_path("architecture", spec.architecture, "file")} if is_own(spec.architecture) else {}
    if own:
        networks.check_seed(model, spec, train_data[0], int(labels.max()) + 1, seed)
    check_code(made_from, **own)
    _check_plan(spec, made_from, folder)
    if spec.precision != policy:
        logger.info(f"{title}: precision {spec.precision}: {policy}, since {reason}")
    logger.info(f"{title}: {networks.trainable_parameters(model):,} parameters, {device}, {policy}")

    board = folder.parents[2] / "tensorboard" / name / f"seed{seed}"  # by name, which TensorBoard shows
    curves = tensorboard.Curves(board, len(train_data[0])) if log_to == "tensorboard" else None
    loads = []  # of the machine, after each epoch since the training was started or resumed

    def log_epoch(epoch: loop.Epoch) -> None:
        loads.append(os.getloadavg()[0])
        left = timedelta(seconds=round(epoch.seconds * (spec.epochs - epoch.epoch)))
        values = [f"loss {epoch.loss:.3f}", f"accuracy {epoch.accuracy:.1%}"]
        values += [f"val {epoch.val_accuracy:.1%}"] if len(val_data[0]) else []
        values += [f"penalty {epoch.penalty:.4f}"] if epoch.penalty is not None else []
        number = str(epoch.epoch).rjust(len(str(spec.epochs)))
        logger.info("  ".join([f"{title}: epoch {number}/{spec.epochs}", *values, f"left {left}"]))  # 80 columns
        if curves:
            curves.write(asdict(epoch), state.restored)

    computed_with = {
        "seed": seed,
        "train_digest": train_digest,
        "versions": provenance.versions(),
        "device": device,
        "precision": policy,
    }
    state_key = json.dumps([key_of(made_from), computed_with], sort_keys=True)
    model_path, history_path = folder / "model.keras", folder / "history.csv"
    with checkpoint.Checkpoint(checkpoint.checkpoint_path(model_path), state_key, checkpoint_epochs) as state:
        history = pd.DataFrame(loop.train(model, spec, train_data, val_data, seed, log_epoch, state))
        if history["penalty"].isna().all():
            del history["penalty"]
        with files.atomic_write(model_path) as temporary:
            model.save(temporary)
        with files.atomic_write(history_path) as temporary:
            history.to_csv(temporary, index=False)
        seconds = float(history["seconds"].sum())
        files.write_record(
            folder / "training.json",
            {
                "key": key_of(made_from),
                **computed_with,
                "trained_as": name,
                "spec": spec.settings,
                "weights_digest": files.array_digest(*model.get_weights()),
                "model_digest": files.file_digest(model_path),
                "history_digest": files.file_digest(history_path),
                "machine": f"{platform.machine()}, {platform.system()}",
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "git_revision": provenance.git_revision(),
                "train_images": len(train_data[0]),
                "validation_images": len(val_data[0]),
                "seconds": seconds,
                "load": round(sum(loads) / len(loads), 1) if loads else None,
                "cpus": os.cpu_count(),
                "images_per_second": len(train_data[0]) * len(history) / seconds,
                "made_from": made_from,
            },
        )


def _check_plan(spec: ModelSpec, made_from: dict, folder: Path) -> None:
    """Raise InputError unless `folder` and `spec` are those of what a training is made from."""
    if folder.parent.name != key_of(made_from):
        raise InputError(f"{folder}: is not the folder of this training, whose key is {key_of(made_from)}")
    settings = json.loads(spec.to_json())
    for key, value in made_from["spec"].items():
        if settings[key] != value:
            raise InputError(f"{key}: {settings[key]}, but the training was planned with {value}")
