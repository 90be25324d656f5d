"""What all tests share: the library on the path, TensorFlow started once, the archive, a checkout."""

import copy
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import measure
import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from ablation.data import datasets

ROOT = Path(__file__).parents[1]
# A shell's background job ignores Ctrl-C, and what it starts inherits that; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
gc.set_threshold(200_000, 50, 50)  # TensorFlow and networks are many objects, most of which stay


# Fixtures that take long to make, or that tests change.
SHARED = ["study", "undisturbed", "mounted", "real_checkout", "as_on_a_gpu"]


def pytest_itemcollected(item):
    """Let one process of pytest-xdist run all tests that share such a fixture."""
    for fixture in SHARED:
        if fixture in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(fixture if fixture == "study" else f"{item.path.stem}-{fixture}"))


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow as a training job starts it: one CPU thread, deterministic, seeded."""
    from ablation.training import devices

    devices.start_tensorflow("cpu", threads=1)
    import keras
    import tensorflow

    keras.utils.set_random_seed(0)
    return tensorflow


# What tests are skipped without, unless this variable names it: then they fail.
REQUIRED = set(os.environ.get("REQUIRE", "").split())
if unknown := REQUIRED - {"archive", "chromium", "disk", "slurm"}:
    raise pytest.UsageError(f"REQUIRE: {', '.join(sorted(unknown))}: expected archive, chromium, disk or slurm")


def skip_without(what, reason):
    """Skip a test for want of something, or fail it where that is required."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def archive():
    """Path of the real CIFAR-10 archive, from the environment."""
    path = os.environ.get("CIFAR10_ARCHIVE")
    if not path:
        skip_without("archive", "CIFAR10_ARCHIVE is not set: no real CIFAR-10 to test on")
    return Path(path)


@pytest.fixture(scope="session")
def schema():
    return yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text())


@pytest.fixture(scope="session")
def shipped_config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture(scope="session")
def modern_config(shipped_config):
    """The config that `--configfile config/airbench.yaml` makes."""
    config = copy.deepcopy(shipped_config)
    update_config(config, yaml.safe_load((ROOT / "config/airbench.yaml").read_text()))
    return config


CORES = str(min(2, len(os.sched_getaffinity(0))))
SNAKEMAKE_LINES = ["--quiet", "host"]  # its own lines on the terminal, job by job, in place of ours


def environment():
    """Return the environment in which `snakemake` and `python` are those of the tests."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def start_forking(program, *arguments):
    """Start a process that forks for these tests; it ends with them, when its input does."""
    command = [sys.executable, ROOT / "tests" / program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def forking_snakemake():
    """The process that runs snakemake for these tests."""
    return start_forking("forking_snakemake.py")


@cache
def forking_environment():
    """Return an environment whose `python` is a fork of a process that has imported TensorFlow, and that process."""
    address = Path(tempfile.mkdtemp()) / "socket"
    python = start_forking("forking_python.py", address)
    python.stdout.readline()  # once it listens
    address.chmod(0o600)
    plain = environment()
    return plain | {"PATH": f"{ROOT / 'tests/forked'}:{plain['PATH']}", "FORKING_PYTHON": str(address)}, python


class Checkout:
    """A copy of the workflow in a folder of its own, as a user's clone."""

    def __init__(self, path):
        self.path = path
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if not name.startswith("tests/") and (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)

    def write(self, name, config):
        """Write a config file into the checkout and return its name."""
        (self.path / name).write_text(yaml.safe_dump(config))
        return name

    def start(self, *arguments):
        """Start snakemake in the checkout and return the process, its output a pipe of text."""
        return self._start([sys.executable, "-m", "snakemake", *SNAKEMAKE_LINES, "--cores", CORES, *arguments])

    def snakemake(self, *arguments):
        """Run snakemake in the checkout and return the finished process, its output as text.

        Snakemake is a fork of a process that has imported it, and so are its jobs, of another; `start` has real ones.
        """
        server, arguments = forking_snakemake(), [*SNAKEMAKE_LINES, "--cores", CORES, *map(str, arguments)]
        with tempfile.NamedTemporaryFile("r") as output:
            run = (arguments, str(self.path), forking_environment()[0], output.name)
            print(json.dumps(run), file=server.stdin, flush=True)
            status = int(server.stdout.readline())
            return subprocess.CompletedProcess(["snakemake", *arguments], status, output.read())

    def python(self, *arguments):
        """Run a program of the checkout and return the finished process, its output as text."""
        return self._finished(self._start([sys.executable, *arguments]))

    def shell(self, command):
        """Run a shell's command in the checkout and return the finished process, its output as text."""
        return self._finished(self._start(["bash", "-c", command]))

    def _start(self, command):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment()}
        return subprocess.Popen(command, cwd=self.path, **options)

    def _finished(self, process):
        output, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def jobs(self, *arguments):
        """Return the jobs that a dry run would run."""
        planned = self.snakemake("--dry-run", *arguments)
        assert planned.returncode == 0, planned.stdout
        return jobs_in(planned.stdout)


def write_digits(folder, channels=1):
    """Write the digits as they are, 8 x 8, twice as large: their whitening takes a moment. channels: 1 or 3, alike."""
    digits = datasets.read_dataset("digits", None, 0)
    images = np.concatenate([digits.x_train, digits.x_test])
    labels = np.concatenate([digits.y_train, digits.y_test])
    np.savez(
        folder / "digits.npz", images=images[:, ::2, ::2, :channels], labels=labels, class_names=digits.class_names
    )


def jobs_in(output):
    """Return the jobs that snakemake lists in its output, each as its rule's name and its wildcards' values.

    A training is called by the model that is evaluated from it, the first in the alphabet, not by its key.
    """
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    assert blocks or re.search(r"Nothing to be done|^total +0$", output, re.MULTILINE), output
    jobs, models = [], {}
    for rule, block in blocks:
        wildcards = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
        values = re.findall(r"=([^,]*)", wildcards[1]) if wildcards else []
        jobs.append((rule, values))
        if rule.endswith("evaluate"):
            key = re.search(r"trainings/(\w+)/", block)[1]
            models[key] = min(models.get(key, values[0]), values[0])
    return {" ".join([rule, *(models.get(value, value) for value in values)]) for rule, values in jobs} - {
        "all",
        "study_all",
    }


def run_digests(folder):
    """Return the digests of a run's history (its seconds aside), weights and predictions; nothing else is there."""
    from ablation import files
    from ablation.training import networks

    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "metrics.json",
        "model.keras",
        "predictions.npz",
        "training.json",
    ]  # no checkpoint, no lock, no temporary file
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds").to_numpy()
    weights = networks.load_model(folder / "model.keras", "cifar10_cnn").get_weights()
    predictions = files.read_npz(folder / "predictions.npz", "probabilities", "labels")
    return [files.array_digest(*part)[:16] for part in ([history], weights, predictions)]


MODELS = [f"model{number}" for number in range(2, 9)]
THREE = ["model2", "model5", "model8"]
FIGURES_OF_MODEL = ["loss", "accuracy", "confusion", "mistakes"]
FIGURES_OF_STUDY = ["curves", "accuracies", "differences", "classes", "calibration", "cost"]
FIGURES_OF_WHITENING = ["whitening", "filters", "eigenvalues"]
DIGITS = ["--configfile", "config/digits.yaml", "short.yaml"]
NARROW = {  # the seven models, narrow enough to be trained in a second
    **{key: {"channels": [8, 8, 8, 8]} for key in ["model2", "model5", "model6"]},
    **{key: {"channels": [8, 8, 16, 16]} for key in ["model3", "model7", "model8"]},
    "model4": {"channels": [4, 8, 8, 8]},
}


SHORT = {"seeds": [1, 2], "limits": {"epochs": 1}, "defaults": {"batch_size": 64}, "models": NARROW}


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory):
    """A checkout with the study of the digits, two seeds, finished without work: files that bear their keys."""
    checkout = Checkout(tmp_path_factory.mktemp("finished_study"))
    configs = ["config.yaml", "config/digits.yaml", checkout.write("short.yaml", SHORT)]
    measure.finish_without_work(checkout.path, configs)
    checkout.results = checkout.path / "results/digits"
    return checkout


def keep_models(checkout, models):
    """Take all but some models out of the config of a checkout."""
    config = yaml.safe_load((checkout.path / "config.yaml").read_text())
    for holder in (config, config["published"]):
        holder["models"] = {model: holder["models"][model] for model in models}
    checkout.write("config.yaml", config)


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A checkout with a finished study of three models on small digits, two seeds, one epoch; and what it printed."""
    checkout = Checkout(tmp_path_factory.mktemp("study"))
    keep_models(checkout, THREE)
    write_digits(checkout.path, channels=3)
    digits = {"dataset": {"name": "npz", "path": "digits.npz"}}
    checkout.write("short.yaml", SHORT | digits | {"models": {model: NARROW[model] for model in THREE}})
    run = checkout.snakemake(*DIGITS)
    assert run.returncode == 0, run.stdout
    checkout.printed = run.stdout
    checkout.results = checkout.path / "results/digits"
    return checkout
