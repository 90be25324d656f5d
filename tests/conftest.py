"""What all tests share: the library on the path, TensorFlow started once, the archive, a checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow as a training job starts it: one CPU thread, deterministic, seeded."""
    from ablation import runtime

    runtime.start_tensorflow("cpu", threads=1)
    import keras
    import tensorflow

    keras.utils.set_random_seed(0)
    return tensorflow


@pytest.fixture(scope="session")
def archive():
    """Path of the real CIFAR-10 archive, from the environment."""
    path = os.environ.get("CIFAR10_ARCHIVE")
    if not path:
        pytest.skip("CIFAR10_ARCHIVE is not set: no real CIFAR-10 to test on")
    return Path(path)


@pytest.fixture(scope="session")
def schema():
    return yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text())


@pytest.fixture(scope="session")
def shipped_config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


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

    def snakemake(self, *arguments):
        """Run snakemake in the checkout and return the finished process, its output as text."""
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def jobs(self, *arguments):
        """Return the rules that a dry run would run, with the number of jobs of each."""
        planned = self.snakemake("--dry-run", *arguments)
        assert planned.returncode == 0, planned.stdout
        return _job_counts(planned.stdout)


def _job_counts(output):
    """Return {rule: jobs} of the table that snakemake prints under "Job stats:"."""
    if "Job stats:" not in output:
        assert "Nothing to be done" in output, output
        return {}
    lines = output.split("Job stats:")[1].splitlines()[3:]
    counts = {}
    for line in lines:
        if len(line.split()) != 2:
            break
        rule, count = line.split()
        counts[rule] = int(count)
    return {rule: count for rule, count in counts.items() if rule not in ("all", "total")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))
