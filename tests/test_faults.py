"""What users and machines do to a run, done for real: docs/reliability.md, row by row."""

import copy
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
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from ablation.plan import Plan
from ablation.settings import check, specs
from conftest import Checkout, run_digests, skip_without, write_digits

pytestmark = pytest.mark.faults

RUN = "runs/{}/seed1"
SMALL = {
    "dataset": {"name": "npz", "path": "digits.npz"},
    "whitening": {"epsilon": 0.01},
    "training": {"device": "cpu"},
    "defaults": {"channels": [8, 8, 8, 8], "batch_size": 8, "epochs": 8},
    "models": {"plain": {}, "normalised": {"batch_normalization": "before_relu"}},
}


def small_study(path, **config):
    """Return a checkout whose study is two small networks on the digits."""
    path.mkdir(parents=True, exist_ok=True)
    checkout = Checkout(path)
    write_digits(path)
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
    run = checkout.snakemake("compare")
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
    """A plain `snakemake` ends at the same bits; nothing to unlock or to remember, and nothing is left over.

    After all kills but the last, figures and report are left out.
    """
    target = [] if kill == list(KILLS)[-1] else ["compare"]
    checkout = small_study(tmp_path)
    results = checkout.path / "results"
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *target],
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(list(results.glob("trainings/*/seed1/checkpoint.npz"))) < len(SMALL["models"]):
        time.sleep(0.02)
        assert process.poll() is None
    how, number = KILLS[kill]
    how(process, number)
    process.wait()
    run = checkout.snakemake(*target)
    assert run.returncode == 0, run.stdout
    found = {model: run_digests(results / RUN.format(model)) for model in SMALL["models"]}
    print(f"\n{kill}: {found}")
    assert found == undisturbed
    assert checkout.jobs(*target) == set()
    assert [path for path in results.rglob("*") if path.name.startswith(".")] == []


def test_two_at_once_in_one_folder(tmp_path):
    """The second is refused, the first not disturbed; a dry run is let in."""
    checkout = small_study(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "compare"],
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (checkout.path / "results/logs/train").exists():
        time.sleep(0.05)
        assert first.poll() is None
    refused(checkout.snakemake(), "Directory cannot be locked")
    assert "report" in checkout.jobs()
    refused(checkout.snakemake(), "Directory cannot be locked")
    assert first.wait() == 0
    assert checkout.jobs("compare") == set()


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    """A finished small study whose results are on a disk of their own, 64 MB small; and that disk."""
    disk = tmp_path_factory.mktemp("disk")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        skip_without("disk", f"a small disk can't be mounted here: {mount.stderr.strip()}")
    pathvars = {"results": f"{disk}/results", "logs": "logs", "benchmarks": "benchmarks"}
    checkout = small_study(tmp_path_factory.mktemp("mounted"), pathvars=pathvars)
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    yield checkout, disk
    subprocess.run(["umount", disk], check=True)


STAGES = {
    "prepare": ["data/*/images.npz"],
    "whiten": ["data/*/zca.npz"],
    "train": ["trainings/*/seed1/model.keras"],
    "evaluate": [f"{RUN.format('plain')}/predictions.npz"],
    "plot of a model": ["figures/loss_plain.png"],
    "plot of the whitening": ["figures/eigenvalues.png"],
    "plot of the study": ["figures/curves.png"],
    "compare": ["report/accuracy.csv"],
    "report": ["report/index.html"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(mounted, stage):
    """One line names it, nothing half-written stays, and with room again the next run goes on."""
    checkout, disk = mounted
    outputs = [path for name in STAGES[stage] for path in (disk / "results").glob(name)]
    for output in outputs:
        output.unlink()
    before = {path for path in disk.rglob("*") if path.is_file()}
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)
    run = checkout.snakemake(*outputs)
    left = {path for path in disk.rglob("*") if path.is_file() and path != filler}
    filler.unlink()
    refused(run, "error: No space left on device: ")
    assert left <= before
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
    refused(run, f"error: {disk}/results: is not writable")
    assert checkout.snakemake().returncode == 0


@pytest.fixture
def whitened(tmp_path):
    """A small study of which only the images are made."""
    checkout = small_study(tmp_path)
    run = checkout.snakemake("--until", "whiten")
    assert run.returncode == 0, run.stdout
    return checkout


def test_an_npz_that_is_not_what_was_made(whitened):
    """Cut short, or with other content: the training refuses it, and the way out that it names works."""
    (path,) = whitened.path.glob("results/data/*/zca.npz")
    (images,) = whitened.path.glob("results/data/*/images.npz")
    name = str(path.relative_to(whitened.path))
    content = path.read_bytes()
    target = f"results/{RUN.format('plain')}/model.keras"
    path.write_bytes(content[:-1000])
    refused(whitened.snakemake(target), f"{name}: truncated or corrupt npz")
    half = len(content) // 2
    path.write_bytes(content[:half] + b"\0" * 8 + content[half + 8 :])
    refused(whitened.snakemake(target), f"{name}: truncated or corrupt npz")
    shutil.copy(images, path)
    refused(whitened.snakemake(target), f"{name}: its train images do not match the digest in {name[:-4]}.json")
    for left in path.parent.glob("zca.*"):
        left.unlink()
    assert whitened.snakemake(target).returncode == 0


def starved(checkout, limit, *arguments):
    """Run a program of the checkout with at most so many bytes of address space."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout.path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


WIDE = {"channels": [4096, 8, 8, 8], "batch_size": 1000, "epochs": 1}


def test_out_of_memory(tmp_path, schema):
    """Nothing half-written is left. (A kill by the system for want of memory is a kill -9, tested above.)"""
    colored = {"dataset": {"name": "digits"}}  # 3,072 values per image
    checkout, made = small_study(tmp_path, **colored), tmp_path / "made"
    assert checkout.snakemake("--until", "whiten").returncode == 0
    config = check.validate_and_fill(SMALL | colored | {"models": {"wide": WIDE}}, schema)
    plan = Plan(config, schema, checkout.path / "results", "")
    images, zca = plan.results / plan.images_path, plan.results / plan.whitened_path
    whiten = ["scripts/whiten.py", "--images", images, "--made-from", json.dumps(plan.whitened)]
    refused(starved(checkout, 450_000_000, *whiten, "--output", made / "zca.npz"), "error: out of memory: ")

    train = ["scripts/train.py", "--data", zca, "--spec", specs.model_spec(config, "wide").to_json()]
    train += ["--made-from", json.dumps(plan.trainings["wide"]), "--name", "wide", "--seed", "1", "--device", "cpu"]
    train += ["--threads", "1", "--jobs-per-gpu", "1", "--checkpoint-epochs", "1"]
    train += ["--output", made / plan.training_path("wide", 1)]
    run = starved(checkout, 12_000_000_000, *train)
    assert run.returncode != 0  # TensorFlow on a CPU crashes, without a word
    assert "usage: " not in run.stdout
    assert [path for path in made.rglob("*") if path.is_file() and path.name != "checkpoint.lock"] == []


def test_a_folder_with_an_unusual_name(tmp_path):
    """Spaces, quotes, a dollar, an umlaut: in the path of the checkout and of the results."""
    checkout = small_study(
        tmp_path / 'it\'s a "study" für $HOME',
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
    for path in [*whitened.path.glob("results/data/*/*"), *whitened.path.glob("scripts/**/*.py")]:
        os.utime(path, (later, later))
    assert whitened.jobs() == set()


def test_nothing_is_written_outside(tmp_path):
    """A whole run adds results and .snakemake to the checkout, and nothing anywhere else."""
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
    assert places <= {("checkout", name) for name in ("results", ".snakemake")} | {
        ("home", name) for name in (".cache", ".config", ".keras")
    }


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.sampled_from([float("nan"), float("inf"), 10**12, "", "é", "{x}", "1e-4", "../..", {}, [1, 2]]),
    st.text(max_size=5),
    st.lists(st.integers(0, 9), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2),
)


def alike(value):
    """Return a strategy for values of the same kind as `value`, most of which are possible in its place."""
    if isinstance(value, list):
        return st.lists(alike(value[0]), min_size=len(value), max_size=len(value), unique=isinstance(value[0], int))
    words = ["raw", "zca", "cpu", "auto", "mixed_bfloat16", "before_pool", "none", "digits", "another"]
    strategies = {int: st.integers(1, 20), float: st.floats(0.01, 0.9), str: st.sampled_from(words)}
    return strategies[type(value)]


def mutated(config, draw):
    """Return a copy of a config with one change: a key added, or a value exchanged for one alike or odd."""
    config = copy.deepcopy(config)
    places = [(config, key) for key in config]
    for holder, key in places:
        if isinstance(holder[key], dict):
            places += [(holder[key], inner) for inner in holder[key]]
    if draw(st.integers(0, 4)) == 0:
        holder, _ = draw(st.sampled_from(places))
        holder[draw(st.text(max_size=6))] = draw(ODD)
    else:
        holder, key = draw(st.sampled_from([place for place in places if not isinstance(place[0][place[1]], dict)]))
        holder[key] = draw(alike(holder[key]) if draw(st.booleans()) else ODD)
    return config


@settings_of_hypothesis(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(data=st.data())
def test_mutations_of_the_config(fuzzed, data):
    """Each is refused in one line, or accepted and run, to its tables or to one line of what a job can't do."""
    whole = {"title": "Study", "seeds": [1], "limits": {"epochs": 1, "test_images": 50}, "pathvars": {"logs": "logs"}}
    model = {"input": "zca", "precision": "float32", "dropout": [0.1, 0.1, 0.1], "decay": 0.1, "validation_split": 0.2}
    small = SMALL | {"defaults": SMALL["defaults"] | {"batch_size": 64}}
    config = mutated(small | whole | {"models": {"plain": model}}, data.draw)
    fuzzed.write("config.yaml", config)
    run = fuzzed.snakemake("compare")
    assert "Traceback" not in run.stdout, run.stdout
    if run.returncode:
        # Snakemake reads pathvars before any rule of ours, and refuses them in a line of its own.
        marks = ("config error: ", "error: ", "Pathvars have to be ")
        lines = {line.strip() for line in run.stdout.splitlines() if line.strip().startswith(marks)}
        assert len(lines) == 1, run.stdout
        print(f"\nrefused: {lines.pop()}", end="")
    else:
        assert fuzzed.jobs("compare") == set()
        print("\naccepted and run", end="")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("fuzzed"))
