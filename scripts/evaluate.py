"""Evaluate a trained model on the test images, once: predictions.npz and metrics.json."""

import argparse
import json
from pathlib import Path

import numpy as np

from ablation import checkpoint, errors, files, runtime
from ablation.images import network_input


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="zca.npz, or images.npz for raw pixels")
    parser.add_argument("--digest", required=True, help="of its test images")
    parser.add_argument("--model", required=True)
    parser.add_argument("--provenance", required=True, help="training.json of the model's training")
    parser.add_argument("--name", required=True, help="of the model that is evaluated, which may be trained as another")
    parser.add_argument("--test-time-augmentation", required=True, help="none, flip or flip_and_translate")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--predictions", required=True)
    parser.add_argument("--metrics", required=True)
    arguments = parser.parse_args()

    runtime.start_tensorflow("cpu", arguments.threads)
    import keras

    from ablation import evaluation, layers, losses, optimizers  # noqa: F401  the last three register classes to load

    trained = json.loads(Path(arguments.provenance).read_text())
    if files.sha256_of(arguments.model) != trained["model_digest"]:
        raise errors.InputError(
            f"{arguments.model}: is not the file that {arguments.provenance} stands for; delete both and run again"
        )
    images, labels, digest = files.read_images(arguments.data, "test", arguments.digest)
    model = keras.models.load_model(arguments.model)
    views = evaluation.by_view(model, network_input(images), arguments.test_time_augmentation)
    probabilities = evaluation.averaged(views, arguments.test_time_augmentation)
    if not np.isfinite(probabilities).all():
        raise errors.InputError(f"{arguments.model}: predicts what is no number; lower the model's learning_rate")
    loss, accuracy = evaluation.loss_and_accuracy(probabilities, labels)
    _, accuracy_one_view = evaluation.loss_and_accuracy(evaluation.averaged(views, "none"), labels)

    files.write_npz(
        arguments.predictions,
        probabilities=probabilities.astype(np.float16),
        predicted=probabilities.argmax(axis=1),  # which float16 may not tell
        labels=labels,
    )
    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    files.write_json(
        arguments.metrics,
        {
            "test_loss": loss,
            "test_accuracy": accuracy,
            "test_time_augmentation": arguments.test_time_augmentation,
            "test_accuracy_one_view": accuracy_one_view,
            "test_images": len(labels),
            "test_digest": digest,
            "predictions_digest": files.sha256_of(arguments.predictions),
            "parameters": parameters,
            "non_trainable_parameters": model.count_params() - parameters,
            **trained,
            "model": arguments.name,
        },
    )
    checkpoint.remove(arguments.model)  # what Snakemake evaluates, it has taken for whole
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}, {len(labels)} images")


if __name__ == "__main__":
    errors.run(main)
