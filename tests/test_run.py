"""A training and an evaluation say what they did and with what, and refuse the files of something else."""

import json
import os
import platform
import re
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from test_predict import make_runs

from ablation import files
from ablation.errors import InputError
from ablation.keys import code_of_file, key_of
from ablation.settings.specs import ModelSpec


@pytest.fixture(scope="module")
def made(tensorflow, schema, tmp_path_factory):
    """Results with two runs."""
    results = tmp_path_factory.mktemp("made") / "results"
    make_runs(results, schema)
    return results


@pytest.fixture
def results(made, tmp_path):
    """A copy of them, to break; a copied model is not the one that the others link to."""
    return shutil.copytree(made, tmp_path / "results")


def training_of(results, model="raw"):
    (folder,) = results.glob(f"trainings/{made_from_of(results, model)['training']}/seed1")
    return folder


def data_of(results, model="raw"):
    (path,) = results.glob(f"data/*/{'zca' if model == 'zca' else 'images'}.npz")
    return path


def made_from_of(results, model="raw"):
    return files.read_json(results / f"runs/{model}/seed1/metrics.json")["made_from"]


def evaluate(results, model="raw", **changes):
    """Evaluate the training of a model again, with changes of what is decided, and return the folder of the run."""
    from ablation.training.evaluate import evaluate_run

    made_from, training = made_from_of(results, model) | changes, training_of(results, model)
    evaluate_run(data_of(results, model), training, made_from, results / "again", architecture="cifar10_cnn", threads=1)
    return results / "again"


def test_what_is_said_of_a_training(made, tmp_path, caplog, monkeypatch):
    """On the terminal, in training.json and for TensorBoard."""
    import keras

    from ablation.training import provenance
    from ablation.training.run import train_run

    said = files.read_record(training_of(made) / "training.json")
    spec = ModelSpec(said["spec"]).replace(precision="mixed_bfloat16")
    made_from = said["made_from"] | {"spec": said["made_from"]["spec"] | {"precision": "mixed_bfloat16"}}
    folder = tmp_path / "results/trainings" / key_of(made_from) / "seed2"
    data = data_of(made)
    options = {"device": "cpu", "threads": 1, "jobs_per_gpu": 1, "checkpoint_epochs": 2, "log_to": "tensorboard"}
    monkeypatch.setattr(provenance, "git_revision", lambda: "a" * 40)
    before = datetime.now(UTC).replace(microsecond=0)
    with caplog.at_level("INFO", "ablation"):
        train_run("raw too", spec, 2, data, made_from, folder, **options)
    keras.config.set_dtype_policy("float32")

    said = files.read_record(folder / "training.json")
    history = pd.read_csv(folder / "history.csv")
    network = keras.models.load_model(folder / "model.keras")
    images, labels = files.read_npz(data, "x_train", "y_train")
    seconds = history["seconds"].sum()
    assert ",".join(history) == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    assert before <= datetime.fromisoformat(said["finished"]) <= datetime.now(UTC)
    assert 0 < said["load"] < 1000
    assert said == {
        "key": folder.parent.name,
        "seed": 2,
        "train_digest": files.array_digest(images, labels),
        "versions": provenance.versions(),
        "device": said["device"],
        "precision": "mixed_bfloat16",
        "trained_as": "raw too",
        "spec": json.loads(spec.to_json()),
        "weights_digest": files.array_digest(*network.get_weights()),
        "model_digest": files.file_digest(folder / "model.keras"),
        "history_digest": files.file_digest(folder / "history.csv"),
        "machine": f"{platform.machine()}, {platform.system()}",
        "finished": said["finished"],
        "git_revision": "a" * 40,
        "train_images": 54,
        "validation_images": 6,
        "seconds": pytest.approx(seconds),
        "load": round(said["load"], 1),
        "cpus": os.cpu_count(),
        "images_per_second": pytest.approx(54 * 6 / seconds),
        "made_from": made_from,
        "digest": said["digest"],
    }
    assert said["device"].startswith("CPU, 1 thread")
    assert "mixed_bfloat16" in {layer.dtype_policy.name for layer in network.layers}

    first, *epochs = caplog.messages
    parameters = sum(weight.numpy().size for weight in network.trainable_weights)
    assert first == f"raw too seed 2: {parameters:,} parameters, {said['device']}, mixed_bfloat16"
    for line, epoch in zip(epochs, history.itertuples(), strict=True):
        left = timedelta(seconds=round(epoch.seconds * (6 - epoch.epoch)))
        assert line == (
            f"raw too seed 2: epoch {epoch.epoch}/6  loss {epoch.loss:.3f}  accuracy {epoch.accuracy:.1%}"
            f"  val {epoch.val_accuracy:.1%}  left {left}"
        )
    assert [path.parent.name for path in (tmp_path / "results/tensorboard/raw too").rglob("events.*")] == ["seed2"]


NETWORK = """
import keras
from keras import layers


def build(shape, classes):
    softmax = layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Sequential([keras.Input(shape), layers.GlobalAveragePooling2D(), softmax])
"""


@pytest.mark.parametrize("planned", [NETWORK, NETWORK.replace("Average", "Max")])
def test_a_network_of_the_user_s_is_trained_as_it_was_planned(made, tmp_path, planned):
    from ablation.training.run import train_run

    path, before = tmp_path / "net.py", tmp_path / "planned.py"
    path.write_text(NETWORK)
    before.write_text(planned)
    said = files.read_record(training_of(made) / "training.json")
    spec = ModelSpec(said["spec"]).replace(architecture=str(path), epochs=1)
    made_from = said["made_from"] | {"network": code_of_file("architecture", before)}
    made_from["spec"] = {name: value for name, value in made_from["spec"].items() if name != "architecture"}
    made_from["spec"] |= {"epochs": 1}
    folder = tmp_path / "results/trainings" / key_of(made_from) / "seed1"
    options = {"device": "cpu", "threads": 1, "jobs_per_gpu": 1, "checkpoint_epochs": 2}
    if planned == NETWORK:
        train_run("own", spec, 1, data_of(made), made_from, folder, **options)
        assert (folder / "training.json").exists()
    else:
        with pytest.raises(InputError, match="the code has changed since this job was planned; run snakemake again"):
            train_run("own", spec, 1, data_of(made), made_from, folder, **options)


def test_a_precision_that_is_chosen_is_said_and_why(made, tmp_path, caplog, monkeypatch):
    from ablation.training import devices
    from ablation.training.run import train_run

    said = files.read_record(training_of(made, "zca") / "training.json")
    changes = {"precision": "auto", "validation_split": 0.0, "epochs": 1}
    spec = ModelSpec(said["spec"]).replace(**changes)
    made_from = said["made_from"] | {"spec": said["made_from"]["spec"] | changes}
    folder = tmp_path / "results/trainings" / key_of(made_from) / "seed1"
    data = data_of(made, "zca")
    monkeypatch.setattr(devices, "dtype_policy", lambda precision: ("float32", f"{precision} is so"))
    options = {"device": "cpu", "threads": 1, "jobs_per_gpu": 1, "checkpoint_epochs": 2}
    with caplog.at_level("INFO", "ablation"):
        train_run("zca", spec, 1, data, made_from, folder, **options)
    assert caplog.messages[0] == "zca seed 1: precision auto: float32, since auto is so"
    history = pd.read_csv(folder / "history.csv")
    assert history["val_loss"].isna().all()
    assert re.fullmatch(r"zca seed 1: epoch 1/1  loss [\d.]+  accuracy [\d.]+%  left 0:00:00", caplog.messages[-1])
    assert not (tmp_path / "results/tensorboard").exists()


@pytest.mark.parametrize("model", ["raw", "zca"])
def test_what_is_said_of_a_run(made, model):
    import keras

    run = made / f"runs/{model}/seed1"
    said = files.read_record(run / "metrics.json")
    trained = files.read_record(training_of(made, model) / "training.json")
    images, labels = files.read_npz(data_of(made, model), "x_test", "y_test")
    stored = files.read_npz(run / "predictions.npz", "probabilities", "predicted", "labels")
    probabilities, predicted, its_labels = stored
    network = keras.models.load_model(run / "model.keras")
    plain = network.predict(images / np.float32(255) if model == "raw" else images, verbose=0)

    np.testing.assert_array_equal(its_labels, labels)
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1, atol=1e-3)
    assert (probabilities.max(axis=1) == np.take_along_axis(probabilities, predicted[:, None], 1)[:, 0]).all()
    loss = -np.log(np.take_along_axis(probabilities, labels[:, None], 1).astype(np.float64)).mean()
    parameters = sum(weight.numpy().size for weight in network.trainable_weights)
    expected = {
        "key": key_of(said["made_from"]),
        "model": model,
        "seed": 1,
        "test_loss": pytest.approx(loss, abs=2e-3),
        "test_accuracy": np.mean(predicted == labels),
        "test_time_augmentation": "flip_and_translate" if model == "raw" else "none",
        "test_accuracy_no_tta": np.mean(plain.argmax(axis=1) == labels),
        "test_images": 30,
        "test_digest": files.array_digest(images, labels),
        "predictions_digest": files.file_digest(run / "predictions.npz"),
        "training_code": trained["made_from"]["code"]["syntax"],
        "parameters": parameters,
        "non_trainable_parameters": sum(weight.numpy().size for weight in network.non_trainable_weights),
        "made_from": said["made_from"] | {"model": model, "test_images": None},
    }
    of_training = {name: value for name, value in trained.items() if name not in ("key", "made_from", "digest")}
    assert said == expected | of_training | {"digest": said["digest"]}
    assert (expected["non_trainable_parameters"] > 0) == (model == "raw")


def test_what_was_trained_lies_next_to_it(made):
    """The model takes its place once; the state from which the training could go on is gone."""
    run, training = made / "runs/raw/seed1", training_of(made)
    assert (run / "model.keras").samefile(training / "model.keras")
    for name in ("history.csv", "training.json"):
        assert (run / name).read_bytes() == (training / name).read_bytes()
        assert not (run / name).samefile(training / name)
    assert not (training / "checkpoint.npz").exists()


def test_on_fewer_images(results):
    run = evaluate(results, test_images=7)
    said = files.read_record(run / "metrics.json")
    (labels,) = files.read_npz(run / "predictions.npz", "labels")
    assert (said["test_images"], len(labels)) == (7, 7)


def test_on_validation_images(results):
    """Those of the training; no test image is read."""
    path = data_of(results)
    pixels, labels = files.read_npz(path, "x_train", "y_train")
    record = files.read_json(path.with_suffix(".json"))
    files.write_record(path.with_suffix(".json"), record | {"digests": record["digests"] | {"test": "0" * 64}})
    training = training_of(results) / "training.json"
    trained = files.read_json(training)
    for limit, expected in ((None, labels[-6:]), (20, labels[-2:])):
        trained["made_from"]["train_images"] = limit
        files.write_record(training, trained)
        run = evaluate(results, report_on="validation")
        said = files.read_record(run / "metrics.json")
        predicted, its_labels = files.read_npz(run / "predictions.npz", "predicted", "labels")
        np.testing.assert_array_equal(its_labels, expected)
        assert said["validation_accuracy"] == np.mean(predicted == its_labels)
        assert said["validation_digest"] == files.array_digest(pixels, labels)
        assert not [name for name in said if name.startswith("test_") and name != "test_time_augmentation"]
    trained["made_from"]["train_images"] = 10
    files.write_record(training, trained)
    with pytest.raises(InputError, match="there is one validation image; make validation_split larger"):
        evaluate(results, report_on="validation")


@pytest.mark.parametrize("change", [{"seed": 2}, {"training": "0" * 16}])
def test_the_training_of_another_key_or_seed_is_refused(results, change):
    with pytest.raises(InputError, match=f"{training_of(results)}: holds the training of another key or seed"):
        evaluate(results, **change)
    assert not (results / "again").exists()


@pytest.mark.parametrize("name", ["model.keras", "history.csv"])
def test_files_that_the_training_did_not_write_are_refused(results, name):
    with open(training_of(results) / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=f"{name}: does not match the digest in training.json; delete .*/seed1 and"):
        evaluate(results)


def test_a_record_that_lacks_what_is_needed_is_refused(results):
    path = training_of(results) / "training.json"
    trained = files.read_json(path)
    for name in ("spec", "made_from", "model_digest", "history_digest"):
        files.write_record(path, {key: value for key, value in trained.items() if key != name})
        with pytest.raises(InputError, match=name):
            evaluate(results)


def test_code_that_was_not_planned_is_refused(results):
    code = made_from_of(results)["code"]
    with pytest.raises(InputError, match="the code has changed since this job was planned"):
        evaluate(results, code=code | {"syntax": "0" * 16})
    assert not (results / "again").exists()


def test_probabilities_that_are_no_numbers_are_refused(results):
    """Of a model whose file is as the training wrote it."""
    import keras

    training = training_of(results)
    path = training / "model.keras"
    model = keras.models.load_model(path)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    path.unlink()
    model.save(path)
    trained = json.loads((training / "training.json").read_text())
    files.write_record(training / "training.json", trained | {"model_digest": files.file_digest(path)})
    with pytest.raises(InputError, match="produced NaN or infinite probabilities; lower the model's learning_rate"):
        evaluate(results)
    assert not (results / "again").exists()
