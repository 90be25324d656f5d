"""A training that is killed, however and whenever, ends at the bits of one that was not."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ablation import files
from ablation.data import datasets, images, whitening
from ablation.errors import InputError, Interrupted
from ablation.keys import key_of
from ablation.plan import Plan
from ablation.settings import check, specs
from ablation.training.checkpoint import Checkpoint, checkpoint_path, remove
from conftest import ROOT, forking_environment, run_digests

EPOCHS = 6


@pytest.fixture
def spec(schema):
    config = {
        "models": {
            "small": {"channels": [4, 4, 4, 4], "batch_normalization": "before_relu", "epochs": 4, "batch_size": 8}
        },
        "dataset": {"name": "digits"},
    }
    return specs.model_spec(check.validate_and_fill(config, schema), "small")


class StopAt(Checkpoint):
    """A checkpoint that is asked to stop by a real signal before its nth look."""

    def __init__(self, path, looks, key="key", every=1):
        self.looks = looks
        self.noted = None
        super().__init__(path, key, every)

    @property
    def stop_signal(self):
        self.looks -= 1
        if self.looks == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.noted

    @stop_signal.setter
    def stop_signal(self, name):
        self.noted = name


def train(spec, checkpoint, seed=1):
    """Return (variables, losses) of a training on noise: in an epoch calls of 8 steps, of 3, and of one short batch."""
    import keras

    from ablation.training import loop, networks

    rng = np.random.default_rng(1)
    pixels, labels = rng.normal(size=(103, 16, 16, 3)).astype(np.float32), rng.integers(0, 3, 103)
    keras.utils.set_random_seed(seed)
    train_data, val_data = images.split(pixels, labels, spec, seed)
    model = networks.build_network(spec, train_data[0], 3)
    with checkpoint as state, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "STEPS_PER_CALL", 8)
        history = loop.train(model, spec, train_data, val_data, seed, lambda epoch: None, state)
    variables = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    return variables, [(row.loss, row.accuracy, row.val_loss, row.learning_rate) for row in history]


@pytest.mark.parametrize(("model", "stops"), [("airbench94", (2, 7, 11, 13)), ("airbench94_muon", (8,))])
def test_a_modern_training_goes_on_too(tensorflow, modern_config, schema, tmp_path, model, stops):
    """Augmentation, momentum, Muon's too, Lookahead's slow weights and the frozen bias are all where they were.

    The bias is frozen after the third epoch.
    """
    spec = specs.model_spec(check.validate_and_fill(modern_config, schema), model)
    small = {"channels": (4, 8, 8), "learning_rate": 0.1, "epochs": 5, "batch_size": 8, "validation_split": 0.1}
    spec = spec.replace(**small)
    whole, losses = train(spec, StopAt(tmp_path / "whole.npz", looks=0))
    for looks in stops:
        state = tmp_path / f"stopped{looks}.npz"
        with pytest.raises(Interrupted):
            train(spec, StopAt(state, looks))
        resumed, same_losses = train(spec, StopAt(state, looks=0))
        assert same_losses == losses, looks
        for a, b in zip(resumed, whole, strict=True):
            np.testing.assert_array_equal(a, b, f"{looks} looks")


@pytest.mark.parametrize(
    ("batch_size", "looks", "message"), [(200, 0, "weights are nan or infinite in epoch 1"), (8, 1, "the loss is nan")]
)
def test_no_checkpoint_has_what_is_not_finite(tensorflow, spec, tmp_path, batch_size, looks, message):
    """Neither after an epoch of a single step, whose loss was finite, nor when a signal comes."""
    path = tmp_path / "state.npz"
    with pytest.raises(InputError, match=message):
        train(spec.replace(learning_rate=np.inf, batch_size=batch_size), StopAt(path, looks))
    assert not path.exists()


@pytest.mark.parametrize("looks", [1, 2, 4])
def test_a_signal_saves_in_mid_epoch_and_the_next_run_goes_on(tensorflow, spec, tmp_path, caplog, looks):
    whole, losses = train(spec, StopAt(tmp_path / "whole.npz", looks=0))
    path = tmp_path / "stopped.npz"
    with pytest.raises(Interrupted, match=f"SIGTERM in epoch {(looks + 2) // 3}; checkpoint saved"):
        train(spec, StopAt(path, looks))
    going_on = StopAt(path, looks=0)
    with caplog.at_level("INFO", "ablation"):
        resumed, same_losses = train(spec, going_on)
    assert f"{path}: resuming" in caplog.messages
    assert (
        len(going_on.restored["history"]) * 3 + going_on.restored["calls_done"] == looks
    )  # and not from the beginning
    assert same_losses == losses
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_of_something_else_is_left_alone(tensorflow, spec, tmp_path, caplog):
    """Another key, or a file cut short: the training starts anew and says so."""
    path = tmp_path / "state.npz"
    fresh, _ = train(spec.replace(epochs=2), StopAt(tmp_path / "fresh.npz", looks=0))
    with pytest.raises(Interrupted):
        train(spec, StopAt(path, looks=3, key="another"), seed=2)
    cut = path.read_bytes()[:-1000]
    for content in (None, cut):
        if content:
            path.write_bytes(content)
        caplog.clear()
        with caplog.at_level("INFO", "ablation"):
            checkpoint = Checkpoint(path, "key", 1)
            anew, _ = train(spec.replace(epochs=2), checkpoint)
        (message,) = [message for message in caplog.messages if message.endswith("training restarts")]
        assert message.startswith(f"{path}: ")
        for a, b in zip(anew, fresh, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_state_of_a_finished_training_is_removed(tmp_path):
    state = checkpoint_path(tmp_path / "model.keras")
    state.touch()
    for _ in range(2):  # the second time it is gone
        remove(tmp_path / "model.keras")
        assert list(tmp_path.iterdir()) == []


def test_a_second_signal_acts_at_once(tmp_path):
    """The first is noted; from then on both have the system's own handlers, and afterwards those of before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with Checkpoint(tmp_path / "state.npz", "key", 1) as state:
        assert state.stop_signal is None
        os.kill(os.getpid(), signal.SIGINT)
        assert state.stop_signal == "SIGINT"
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}
    assert {number: signal.getsignal(number) for number in before} == before


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
def prepared(schema):
    """The plan of a study of one small network on the digits."""
    config = {
        "dataset": {"name": "digits"},
        "whitening": {"epsilon": 0.01},
        "training": {"device": "cpu"},
        "seeds": [3],
        "defaults": {"channels": [8, 8, 8, 8], "epochs": EPOCHS, "batch_size": 8},
        "models": {"m": {"batch_normalization": "before_relu"}},
    }
    config = check.validate_and_fill(config, schema)
    return config, Plan(config, schema, "", "")


@pytest.fixture(scope="module")
def data(prepared, tmp_path_factory):
    """The whitened digits."""
    path = tmp_path_factory.mktemp("data") / prepared[1].whitened_path
    dataset = datasets.shuffle(datasets.read_dataset("digits", None, 0), 0)
    x_train, x_test, _ = whitening.whiten(dataset.x_train, dataset.x_test, 0.01, 0)
    arrays = {"x_train": x_train, "y_train": dataset.y_train, "x_test": x_test, "y_test": dataset.y_test}
    images.write_images(path, prepared[1].whitened, **arrays)
    return path


@pytest.fixture(scope="module")
def program(prepared, data):
    """A function to the command line of a program that works on the results in a folder."""
    config, plan = prepared

    def command(results, name="train.py", seed=3):
        training, run = results / plan.training_path("m", seed), results / "runs/m/seed3"
        arguments = {"--data": data, "--threads": 1}
        if name == "train.py":
            arguments |= {"--spec": specs.model_spec(config, "m").to_json(), "--name": "m", "--seed": seed}
            arguments |= {"--made-from": json.dumps(plan.trainings["m"]), "--device": "cpu", "--output": training}
            arguments |= {"--jobs-per-gpu": 1, "--checkpoint-epochs": 1}
        else:
            arguments |= {"--made-from": json.dumps(plan.evaluations["m"][3]), "--training": training, "--output": run}
            arguments |= {"--architecture": "cifar10_cnn"}
        words = [word for pair in arguments.items() for word in pair]
        return [str(word) for word in (sys.executable, ROOT / "scripts" / name, *words)]

    return command


def test_whatever_decides_a_training_is_in_the_key_of_its_state(tensorflow, prepared, tmp_path, monkeypatch):
    """What it was planned from, the seed, the images as they are, versions, device and precision: each alone."""
    import keras

    from ablation.training import checkpoint, devices, loop, provenance  # noqa: F401  a training imports the loop
    from ablation.training.run import train_run

    class Started(Exception):
        pass

    def start(path, key, every):
        raise Started(path, key, every)

    def key(seed=3, data="data", **planned):
        made_from = plan.trainings["m"] | planned
        folder = tmp_path / "trainings" / key_of(made_from) / "seed"
        options = {"device": "cpu", "threads": 1, "jobs_per_gpu": 1, "checkpoint_epochs": 7}
        with pytest.raises(Started) as started:
            spec, images_path = specs.model_spec(config, "m"), tmp_path / data / plan.whitened_path
            train_run("m", spec, seed, images_path, made_from, folder, **options)
        path, text, every = started.value.args
        assert (path, every) == (folder / "checkpoint.npz", 7)
        return text

    monkeypatch.setattr(checkpoint, "Checkpoint", start)
    config, plan = prepared
    labels, noise = np.arange(100) % 10, np.random.default_rng(1).random((100, 16, 16, 3), np.float32)
    for name, y_train in (("data", labels), ("other", labels[::-1])):
        arrays = {"x_train": noise, "y_train": y_train, "x_test": noise, "y_test": labels}
        images.write_images(tmp_path / name / plan.whitened_path, plan.whitened, **arrays)
    keys = [key(), key(seed=4), key(data="other"), key(train_images=90)]
    for module, name, value in (
        (provenance, "versions", {"keras": "0"}),
        (devices, "start_tensorflow", "CPU, 2 threads"),
        (devices, "dtype_policy", ("mixed_bfloat16", "")),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(module, name, lambda *arguments, value=value: value)
            keys.append(key())
    keras.config.set_dtype_policy("float32")
    assert len(set(keys)) == len(keys) == 7
    assert key() == keys[0]


@pytest.fixture(scope="module")
def evaluated(program):
    """A function that evaluates and returns the digests of a run."""

    def digests(results):
        subprocess.run(program(results, "evaluate.py"), check=True, capture_output=True)
        return run_digests(results / "runs/m/seed3")

    return digests


@pytest.fixture(scope="module")
def undisturbed(tensorflow, program, evaluated, tmp_path_factory):
    """Digests of a training that nothing disturbs, and its seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    start = time.monotonic()
    subprocess.run(program(folder), check=True, capture_output=True)
    seconds = time.monotonic() - start
    found = evaluated(folder)
    print(f"\nundisturbed: history {found[0]}, weights {found[1]}, predictions {found[2]}")
    return found, seconds, folder


@pytest.mark.faults
@pytest.mark.parametrize("name", ["SIGKILL"] * 6 + ["SIGTERM"] * 2 + ["SIGINT"] * 2)
def test_ten_kills_at_random_moments(undisturbed, program, evaluated, tmp_path, name):
    """Two real kills each, at moments that nobody chose, most of them in an epoch; then a run to the end."""
    expected, seconds, _ = undisturbed
    moments = np.random.default_rng().uniform(0.4, 0.95, 2) * seconds
    for moment in moments:
        process = subprocess.Popen(program(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(moment)
        process.send_signal(signal.Signals[name])
        process.communicate()
    end = subprocess.run(program(tmp_path), capture_output=True, text=True)
    assert end.returncode == 0, end.stderr
    found = evaluated(tmp_path)
    print(f"\n{name} after {moments[0]:.1f} s and {moments[1]:.1f} s: history {found[0]}, weights {found[1]}, "
          f"predictions {found[2]}")  # fmt: skip
    assert found == expected


@pytest.mark.faults
def test_a_second_process_waits_and_takes_over(undisturbed, prepared, program, evaluated, tmp_path):
    """Two at once: the second says who trains, waits, and finds the work done."""
    command = program(tmp_path)
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / prepared[1].training_path("m", 3) / "checkpoint.npz").exists():
        time.sleep(0.01)
        assert first.poll() is None
    first.send_signal(signal.SIGSTOP)
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [second.stdout.readline(), second.stdout.readline()]
    first.send_signal(signal.SIGCONT)
    lines += second.communicate()[0].splitlines()
    assert (first.wait(), second.returncode) == (0, 0)
    assert f"process {first.pid} on " in lines[1]
    assert "holds the lock; waiting" in lines[1]
    assert not any(re.search("epoch +1/", line) for line in lines)
    assert evaluated(tmp_path) == undisturbed[0]
    assert json.loads((tmp_path / "runs/m/seed3/metrics.json").read_text())["seed"] == 3


@pytest.mark.faults
def test_a_state_of_another_seed_is_not_resumed(undisturbed, prepared, program, evaluated, tmp_path):
    """A12: wherever the file of a state comes from, it names what it is of."""
    first = subprocess.Popen(program(tmp_path, seed=4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    other = tmp_path / prepared[1].training_path("m", 4) / "checkpoint.npz"
    while not other.exists():
        time.sleep(0.01)
        assert first.poll() is None
    first.kill()
    first.wait()
    own = tmp_path / prepared[1].training_path("m", 3) / "checkpoint.npz"
    own.parent.mkdir(parents=True)
    shutil.copy(other, own)
    run = subprocess.run(program(tmp_path), capture_output=True, text=True, check=True)
    assert "training restarts" in run.stdout
    assert evaluated(tmp_path) == undisturbed[0]


@pytest.fixture
def trained(undisturbed, prepared, tmp_path):
    """The results of the undisturbed training, to be changed, and the folder of the training among them."""
    shutil.copytree(undisturbed[2], tmp_path, dirs_exist_ok=True)
    return tmp_path, tmp_path / prepared[1].training_path("m", 3)


def refusal(command):
    """Return the line with which a program refuses to go on."""
    forked = [ROOT / "tests/forked/python", *command[1:]]
    run = subprocess.run(forked, env=forking_environment()[0], capture_output=True, text=True)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    return run.stderr.splitlines()[-1]


@pytest.mark.faults
def test_an_evaluation_of_something_else_is_refused(trained, program):
    """A training of another seed or key, a model or a history that is not the trained one."""
    results, folder = trained
    record = json.loads((folder / "training.json").read_text())
    for change in ({"seed": 4}, {"key": "0" * 16}):
        files.write_record(folder / "training.json", record | change)
        assert "holds the training of another key or seed" in refusal(program(results, "evaluate.py"))
    files.write_record(folder / "training.json", record)
    for name in ("model.keras", "history.csv"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(content + b" ")
        assert f"{name}: does not match the digest in training.json" in refusal(program(results, "evaluate.py"))
        (folder / name).write_bytes(content)
    subprocess.run(program(results, "evaluate.py"), check=True, capture_output=True)


def test_a_training_in_a_folder_or_with_settings_of_another_is_refused(program, tmp_path):
    command = program(tmp_path)
    elsewhere = [word.replace("/trainings/", "/trainings/0") for word in command]
    assert "is not the folder of this training, whose key is" in refusal(elsewhere)
    spec = command.index("--spec") + 1
    command[spec] = command[spec].replace('"epochs": 6', '"epochs": 5')
    assert "epochs: 5, but the training was planned with 6" in refusal(command)
