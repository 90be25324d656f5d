"""Train one model with one seed: model.keras, history.csv, and training.json on how it was made."""

import argparse
import dataclasses
import json
import platform
from datetime import UTC, datetime, timedelta
from functools import partial

from ablation import datasets, errors, files, provenance, runtime
from ablation.checkpoint import Checkpoint, checkpoint_of
from ablation.images import network_input
from ablation.spec import ModelSpec


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="zca.npz, or images.npz for raw pixels")
    parser.add_argument("--digest", required=True, help="of its training images")
    parser.add_argument("--spec", type=ModelSpec.from_json, required=True, help="the model's settings as JSON")
    parser.add_argument("--name", required=True, help="what the progress lines call the model")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", choices=["auto", "gpu", "cpu"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--jobs-per-gpu", type=int, required=True, help="processes that may be on one GPU at once")
    parser.add_argument("--checkpoint-epochs", type=int, required=True, help="epochs between two saved states")
    parser.add_argument("--model", required=True)
    parser.add_argument("--history", required=True)
    parser.add_argument("--provenance", required=True)
    arguments = parser.parse_args()
    spec = arguments.spec
    say = partial(print, flush=True)
    title = f"{arguments.name} seed {arguments.seed}"

    device = runtime.start_tensorflow(arguments.device, arguments.threads, title, arguments.jobs_per_gpu, say)
    import keras
    import pandas as pd

    from ablation import network, training

    images, labels, digest = files.read_images(arguments.data, "train", arguments.digest)
    images = network_input(images)
    keras.utils.set_random_seed(arguments.seed)
    policy, why = runtime.dtype_policy(spec.precision)
    keras.config.set_dtype_policy(policy)
    to_train, to_validate = datasets.split(images, labels, spec, arguments.seed)
    model = network.build(spec, to_train[0], int(labels.max()) + 1)
    say(f"{title}: {model.count_params():,} parameters, on {device}, {policy} ({why})")

    def show(epoch):
        left = timedelta(seconds=round(epoch.seconds * (spec.epochs - epoch.epoch)))
        keys = ["loss", "accuracy", *(["val_loss", "val_accuracy"] if len(to_validate[0]) else [])]
        shown = "  ".join(f"{key} {getattr(epoch, key):.4f}" for key in keys)
        say(f"{title}: epoch {epoch.epoch:3d}/{spec.epochs}  {shown}  {epoch.seconds:.1f} s  left {left}")

    decides = {
        "seed": arguments.seed,
        "spec": dataclasses.asdict(spec),
        "train_digest": digest,
        "code_digest": provenance.code_digest(),
        "versions": provenance.versions(),
        "device": device,
        "precision": policy,
    }
    key = json.dumps(decides, sort_keys=True)
    with Checkpoint(checkpoint_of(arguments.model), key, arguments.checkpoint_epochs, say) as checkpoint:
        history = training.train(model, spec, to_train, to_validate, arguments.seed, show, checkpoint)

        frame = pd.DataFrame([dataclasses.asdict(epoch) for epoch in history])
        with files.replacing(arguments.model) as temporary:
            model.save(temporary)
        with files.replacing(arguments.history) as temporary:
            frame.to_csv(temporary, index=False)
        files.write_json(
            arguments.provenance,
            {
                "model": arguments.name,
                **decides,
                "model_digest": files.sha256_of(arguments.model),
                "machine": f"{platform.machine()}, {platform.system()}",
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "git_revision": provenance.git_revision(),
                "train_images": len(to_train[0]),
                "validation_images": len(to_validate[0]),
                "seconds": frame["seconds"].sum(),
                "images_per_second": len(to_train[0]) * len(history) / frame["seconds"].sum(),
            },
        )


if __name__ == "__main__":
    errors.run(main)
