"""What users and machines do to a run, done for real: docs/reliability.md, row by row."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from conftest import Checkout, run_digests

pytestmark = pytest.mark.faults

RUN = "runs/{}/seed1"
SMALL = {
    "dataset": {"name": "digits"},
    "whitening": {"epsilon": 0.01},
    "training": {"device": "cpu"},
    "defaults": {"channels": [8, 8, 8, 8], "batch_size": 8, "epochs": 6},
    "models": {"plain": {}, "normalised": {"batch_normalization": "before_relu"}},
}


def small_study(path, **config):
    """Return a checkout whose study is two small networks on the digits."""
    path.mkdir(parents=True, exist_ok=True)
    checkout = Checkout(path)
    checkout.write("config.yaml", SMALL | config)
    return checkout


def refused(run, *texts):
    """Assert that a run failed, said `texts`, and printed no traceback."""
    assert run.returncode == 1, run.stdout
    for text in texts:
        assert text in run.stdout
    assert "Traceback" not in run.stdout


@pytest.fixture(scope="module")
def undisturbed(tensorflow, tmp_path_factory):
    """Digests by model of a study that nothing disturbs."""
    checkout = small_study(tmp_path_factory.mktemp("undisturbed"))
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    return {model: run_digests(checkout.path / "results" / RUN.format(model)) for model in SMALL["models"]}


def kill_tree(process, number):
    """Send a signal to a process and all its descendants at once."""
    for one in [process, *psutil.Process(process.pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(number)


def kill_trainings(process, number):
    """Send a signal to the trainings that a process has started, and to nothing else."""
    for one in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "scripts/train.py" in one.cmdline() and "python" in one.name():
                one.send_signal(number)


KILLS = {
    "the training jobs, kill -9": (kill_trainings, signal.SIGKILL),
    "snakemake alone, kill -9": (subprocess.Popen.send_signal, signal.SIGKILL),
    "snakemake and its jobs, kill -9": (kill_tree, signal.SIGKILL),
    "snakemake and its jobs, SIGTERM": (kill_tree, signal.SIGTERM),
    "snakemake and its jobs, Ctrl-C": (kill_tree, signal.SIGINT),
}


@pytest.mark.parametrize("kill", KILLS)
def test_after_any_kill_the_next_run_goes_on_by_itself(undisturbed, tmp_path, kill):
    """A plain `snakemake` ends at the same bits; nothing to unlock or to remember, and nothing is left over."""
    checkout = small_study(tmp_path)
    results = checkout.path / "results"
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not all((results / RUN.format(model) / "checkpoint.npz").exists() for model in SMALL["models"]):
        time.sleep(0.02)
        assert process.poll() is None
    how, number = KILLS[kill]
    how(process, number)
    process.wait()
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    found = {model: run_digests(results / RUN.format(model)) for model in SMALL["models"]}
    print(f"\n{kill}: {found}")
    assert found == undisturbed
    assert checkout.jobs() == set()
    assert [path for path in results.rglob("*") if path.name.startswith(".")] == []


def test_two_at_once_in_one_folder(tmp_path):
    """The second is refused, the first not disturbed; a dry run is let in."""
    checkout = small_study(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (checkout.path / "logs/train").exists():
        time.sleep(0.05)
        assert first.poll() is None
    refused(checkout.snakemake(), "Directory cannot be locked")
    assert "report" in checkout.jobs()
    refused(checkout.snakemake(), "Directory cannot be locked")
    assert first.wait() == 0
    assert checkout.jobs() == set()


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    """A finished small study whose results are on a disk of their own, 64 MB small; and that disk."""
    disk = tmp_path_factory.mktemp("disk")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small disk can't be mounted here: {mount.stderr.strip()}")
    checkout = small_study(tmp_path_factory.mktemp("mounted"), pathvars={"results": f"{disk}/results"})
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    yield checkout, disk
    subprocess.run(["umount", disk], check=True)


STAGES = {
    "prepare": ["data/images.npz"],
    "whiten": ["data/zca.npz"],
    "train": [f"{RUN.format('plain')}/model.keras"],
    "evaluate": [f"{RUN.format('plain')}/predictions.npz"],
    "plot_loss": ["figures/loss_plain.png"],
    "compare": ["report/accuracy.csv"],
    "report": ["report/index.html"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(mounted, stage):
    """One line names it, nothing half-written stays, and with room again the next run goes on."""
    checkout, disk = mounted
    outputs = [disk / "results" / name for name in STAGES[stage]]
    for output in outputs:
        output.unlink()
    before = sorted(path for path in disk.rglob("*") if path.is_file())
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)
    run = checkout.snakemake(*outputs)
    refused(run, "error: No space left on device: ")
    assert not any(output.exists() for output in outputs)
    left = sorted(path for path in disk.rglob("*") if path.is_file() and path != filler)
    assert set(left) <= set(before)
    filler.unlink()
    again = checkout.snakemake()
    assert again.returncode == 0, again.stdout
    assert checkout.jobs() == set()


def test_read_only_results(mounted):
    checkout, disk = mounted
    (disk / "results/report/index.html").unlink()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        run = checkout.snakemake()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    refused(run, "Read-only file system")
    assert checkout.snakemake().returncode == 0


@pytest.fixture
def whitened(tmp_path):
    """A small study of which only the images are made."""
    checkout = small_study(tmp_path)
    run = checkout.snakemake("results/data/zca.npz")
    assert run.returncode == 0, run.stdout
    return checkout


def test_an_npz_that_is_not_what_was_made(whitened):
    """Cut short, or with other content: the training refuses it, and the way out that it names works."""
    path = whitened.path / "results/data/zca.npz"
    content = path.read_bytes()
    target = f"results/{RUN.format('plain')}/model.keras"
    path.write_bytes(content[:-100_000])
    refused(whitened.snakemake(target), "results/data/zca.npz: not a whole npz file")
    path.write_bytes(content[:5_000_000] + b"\0" * 8 + content[5_000_008:])
    refused(whitened.snakemake(target), "results/data/zca.npz: not a whole npz file")
    shutil.copy(whitened.path / "results/data/images.npz", path)
    refused(whitened.snakemake(target), "its train images are not those that results/data/zca.train.sha256 stands for")
    for left in path.parent.glob("zca.*"):
        left.unlink()
    assert whitened.snakemake(target).returncode == 0


def test_a_loss_that_is_no_number(whitened):
    config = whitened.write("nan.yaml", {"models": {"plain": {"learning_rate": 1000}}})
    target = f"results/{RUN.format('plain')}/model.keras"
    run = whitened.snakemake(target, "--configfile", config)
    refused(run, "error: the loss is nan in epoch", "lower the model's learning_rate")
    assert not (whitened.path / target).exists()
    assert whitened.snakemake(target).returncode == 0  # the state of the other learning rate is left alone


@pytest.mark.parametrize("program", ["whiten", "train"])
def test_out_of_memory(whitened, program):
    """A limit on the job's address space; a kill by the system's own killer is a kill -9, tested above."""
    target = "results/data/zca.npz" if program == "whiten" else f"results/{RUN.format('plain')}/model.keras"
    large = whitened.write("large.yaml", {"models": {"plain": {"channels": [4096, 64, 8, 8], "batch_size": 1000}}})
    plan = json.dumps(SMALL)
    assert plan
    limit = 300_000_000 if program == "whiten" else 9_000_000_000
    if program == "whiten":
        for left in (whitened.path / "results/data").glob("zca.*"):
            left.unlink()

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = jobs_command(whitened, target, large)
    done = subprocess.run(
        command,
        shell=True,
        executable="/bin/bash",
        cwd=whitened.path,
        preexec_fn=limited,
        capture_output=True,
        text=True,
    )
    print(done.stderr[-2000:])
    assert done.returncode != 0


def jobs_command(checkout, target, config):
    """Return the shell command of the job that makes `target`."""
    planned = checkout.snakemake("--dry-run", "--printshellcmds", target, "--configfile", config).stdout
    return next(line.strip() for line in planned.splitlines() if "scripts/" in line and " --" in line)


def test_a_folder_with_an_unusual_name(tmp_path):
    """Spaces, quotes, a dollar, braces, an umlaut: in the path of the checkout, of the results and of the data."""
    checkout = small_study(
        tmp_path / 'it\'s a "study" of {x} für $HOME',
        pathvars={"results": "results/it's of für"},
        models={"plain": {"epochs": 1}},
    )
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    assert (checkout.path / "results/it's of für/report/index.html").exists()
    assert checkout.jobs() == set()


def test_a_clock_set_back(whitened):
    """Inputs newer than what is made of them: their content decides."""
    assert whitened.snakemake().returncode == 0
    later = time.time() + 3 * 86_400
    for path in [*whitened.path.glob("results/data/*"), *whitened.path.glob("scripts/**/*.py")]:
        os.utime(path, (later, later))
    assert whitened.jobs() == set()


def test_nothing_is_written_outside(tmp_path):
    """A whole run adds results, logs, benchmarks and .snakemake to the checkout, and nothing anywhere else."""
    home = tmp_path / "home"
    home.mkdir()
    checkout = small_study(tmp_path / "checkout", models={"plain": {"epochs": 1}})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=checkout.path,
        env=os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    added = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    places = {path.relative_to(tmp_path).parts[:2] for path in added}
    print(places)
    assert places <= {("checkout", name) for name in ("results", "logs", "benchmarks", ".snakemake")} | {
        ("home", name) for name in (".cache", ".config", ".keras")
    }
