"""A training that is killed, however and whenever, ends at the bits of one that was not."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ablation import datasets, files, settings, whitening
from ablation.checkpoint import Checkpoint
from ablation.errors import Interrupted
from conftest import ROOT, run_digests

EPOCHS = 6


@pytest.fixture
def spec(schema):
    config = {
        "models": {
            "small": {"channels": [4, 4, 4, 4], "batch_normalization": "before_relu", "epochs": 4, "batch_size": 8}
        },
        "dataset": {"name": "digits"},
    }
    return settings.model_spec(settings.complete(config, schema), "small")


class StopAt(Checkpoint):
    """A checkpoint that is asked to stop by a real signal before its nth look."""

    def __init__(self, path, looks, key="key", every=1):
        self.looks = looks
        self.noted = None
        super().__init__(path, key, every, say=lambda line: None)

    @property
    def stop(self):
        self.looks -= 1
        if self.looks == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.noted

    @stop.setter
    def stop(self, name):
        self.noted = name


def train(spec, checkpoint, seed=1):
    """Return (variables, losses) of a training on noise."""
    import keras

    from ablation import network, training

    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(600, 16, 16, 3)).astype(np.float32), rng.integers(0, 3, 600)
    keras.utils.set_random_seed(seed)
    to_train, to_validate = datasets.split(images, labels, spec, seed)
    model = network.build(spec, to_train[0], 3)
    with checkpoint as held:
        history = training.train(model, spec, to_train, to_validate, seed, lambda epoch: None, held)
    variables = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    return variables, [(row.loss, row.accuracy, row.val_loss, row.learning_rate) for row in history]


@pytest.mark.parametrize("looks", [2, 7, 11, 13])  # three calls an epoch; the bias is frozen after the third
def test_a_modern_training_goes_on_too(tensorflow, modern_config, schema, tmp_path, looks):
    """Augmentation, Nesterov's momentum, Lookahead's slow weights and the frozen bias are all where they were."""
    spec = settings.model_spec(settings.complete(modern_config, schema), "airbench94")
    small = {"channels": (4, 8, 8), "learning_rate": 0.1, "epochs": 5, "batch_size": 8, "validation_split": 0.1}
    spec = dataclasses.replace(spec, **small)
    whole, losses = train(spec, StopAt(tmp_path / "whole.npz", looks=0))
    with pytest.raises(Interrupted):
        train(spec, StopAt(tmp_path / "stopped.npz", looks))
    resumed, same_losses = train(spec, StopAt(tmp_path / "stopped.npz", looks=0))
    assert same_losses == losses
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("looks", [1, 2, 4])  # 540 images in batches of 8: a call of 64 steps, and one of 4
def test_a_signal_saves_in_mid_epoch_and_the_next_run_goes_on(tensorflow, spec, tmp_path, looks):
    whole, losses = train(spec, StopAt(tmp_path / "whole.npz", looks=0))
    path = tmp_path / "stopped.npz"
    with pytest.raises(Interrupted, match=f"SIGTERM in epoch {(looks + 1) // 2}; the state is saved"):
        train(spec, StopAt(path, looks))
    resumed, same_losses = train(spec, StopAt(path, looks=0))
    assert same_losses == losses
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_of_something_else_is_left_alone(tensorflow, spec, tmp_path):
    """Another key, or a file cut short: the training starts anew and says so."""
    path = tmp_path / "state.npz"
    fresh, _ = train(dataclasses.replace(spec, epochs=2), StopAt(tmp_path / "fresh.npz", looks=0))
    with pytest.raises(Interrupted):
        train(spec, StopAt(path, looks=3, key="another"), seed=2)
    cut = path.read_bytes()[:-1000]
    for content in (None, cut):
        if content:
            path.write_bytes(content)
        said = []
        checkpoint = Checkpoint(path, "key", 1, said.append)
        anew, _ = train(dataclasses.replace(spec, epochs=2), checkpoint)
        assert len(said) == 1
        assert "starts anew" in said[0]
        for a, b in zip(anew, fresh, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("every", "saved"), [(1, [1, 2, 3, 4]), (3, [3, 4])])
def test_a_state_is_saved_every_so_many_epochs_and_at_the_end(tensorflow, spec, tmp_path, every, saved):
    class Counting(StopAt):
        def save(self, variables, progress):
            epochs.append(len(progress["history"]))
            super().save(variables, progress)

    epochs = []
    train(spec, Counting(tmp_path / "state.npz", looks=0, every=every))
    assert epochs == saved


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Arguments of train.py and evaluate.py that name the whitened digits."""
    folder = tmp_path_factory.mktemp("images")
    dataset = datasets.permuted(datasets.digits(0), 0, None, None)
    zca = whitening.fit(dataset.x_train, 0.01)
    files.write_images(
        folder / "zca.npz",
        folder / "train",
        folder / "test",
        x_train=whitening.apply(zca, dataset.x_train),
        y_train=dataset.y_train,
        x_test=whitening.apply(zca, dataset.x_test),
        y_test=dataset.y_test,
    )
    return folder


def program(images, folder, spec, name="train.py"):
    """Return the command line that trains, or evaluates, in `folder`."""
    common = ["--data", images / "zca.npz", "--model", folder / "model.keras", "--provenance", folder / "training.json"]
    if name == "train.py":
        own = ["--digest", images / "train", "--spec", spec, "--name", "m", "--seed", "3", "--device", "cpu"]
        own += ["--jobs-per-gpu", "1", "--checkpoint-epochs", "1", "--history", folder / "history.csv"]
    else:
        own = ["--digest", images / "test", "--predictions", folder / "predictions.npz"]
        own += ["--metrics", folder / "metrics.json", "--name", "m", "--test-time-augmentation", "none"]
    return [sys.executable, ROOT / "scripts" / name, *common, *own, "--threads", "1"]


@pytest.fixture(scope="module")
def long_spec(schema):
    config = {
        "dataset": {"name": "digits"},
        "defaults": {"channels": [8, 8, 8, 8], "epochs": EPOCHS, "batch_size": 8},
        "models": {"m": {"batch_normalization": "before_relu"}},
    }
    return settings.model_spec(settings.complete(config, schema), "m").to_json()


def evaluated(images, folder, spec):
    """Evaluate, and return the digests of what is in `folder`."""
    subprocess.run(program(images, folder, spec, "evaluate.py"), check=True, capture_output=True)
    return run_digests(folder)


@pytest.fixture(scope="module")
def undisturbed(tensorflow, images, long_spec, tmp_path_factory):
    """Digests of a training that nothing disturbs, and its seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    start = time.monotonic()
    subprocess.run(program(images, folder, long_spec), check=True, capture_output=True)
    seconds = time.monotonic() - start
    found = evaluated(images, folder, long_spec)
    print(f"\nundisturbed: history {found[0]}, weights {found[1]}, predictions {found[2]}")
    return found, seconds


@pytest.mark.faults
@pytest.mark.parametrize("name", ["SIGKILL"] * 6 + ["SIGTERM"] * 2 + ["SIGINT"] * 2)
def test_ten_kills_at_random_moments(undisturbed, images, long_spec, tmp_path, name):
    """Two real kills each, at moments that nobody chose, most of them in an epoch; then a run to the end."""
    expected, seconds = undisturbed
    moments = np.random.default_rng().uniform(0.4, 0.95, 2) * seconds
    for moment in moments:
        process = subprocess.Popen(program(images, tmp_path, long_spec), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(moment)
        process.send_signal(signal.Signals[name])
        process.communicate()
    end = subprocess.run(program(images, tmp_path, long_spec), capture_output=True, text=True)
    assert end.returncode == 0, end.stderr
    found = evaluated(images, tmp_path, long_spec)
    print(f"\n{name} after {moments[0]:.1f} s and {moments[1]:.1f} s: history {found[0]}, weights {found[1]}, "
          f"predictions {found[2]}")  # fmt: skip
    assert found == expected


def test_a_second_process_waits_and_takes_over(undisturbed, images, long_spec, tmp_path):
    """Two at once: the second says who trains, waits, and finds the work done."""
    command = program(images, tmp_path, long_spec)
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "checkpoint.npz").exists():
        time.sleep(0.01)
        assert first.poll() is None
    first.send_signal(signal.SIGSTOP)
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [second.stdout.readline(), second.stdout.readline()]
    first.send_signal(signal.SIGCONT)
    lines += second.communicate()[0].splitlines()
    assert (first.wait(), second.returncode) == (0, 0)
    assert f"process {first.pid} on " in lines[1]
    assert "is at it; waiting for it to end" in lines[1]
    assert not any("epoch   1/" in line for line in lines)
    assert evaluated(images, tmp_path, long_spec) == undisturbed[0]
    assert json.loads((tmp_path / "metrics.json").read_text())["seed"] == 3
