"""The workflow on a real Slurm, with the profile as it is shipped. `make test-slurm`; docs/clusters.md."""

import shutil
import signal
import time

import pytest

from conftest import DIGITS, Checkout, keep_models, run_digests, skip_without
from slurm_cluster import PROGRAMS, Cluster, Run, Watch

MISSING = [program for program in PROGRAMS if not shutil.which(program)]
pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("slurm")]

RUN = "results/runs/{}/seed1"
SMALL = {
    "dataset": {"name": "digits"},
    "whitening": {"epsilon": 0.01},
    "training": {"device": "auto"},  # asks Slurm for a GPU, and trains on the CPU where TensorFlow finds none
    "defaults": {"channels": [8, 8, 8, 8], "batch_size": 8, "epochs": 15},
    "models": {"plain": {}, "normalised": {"batch_normalization": "before_relu"}},
}
BOTH = list(SMALL["models"])


@pytest.fixture(scope="module")
def slurm():
    if MISSING:
        skip_without("slurm", f"not installed: {', '.join(MISSING)} (Debian: slurm-wlm, munge)")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A checkout of two small networks on the digits, whose images are made."""
    checkout = Checkout(tmp_path_factory.mktemp("prepared"))
    checkout.write("config.yaml", SMALL)
    made = checkout.snakemake("--until", "whiten")
    assert made.returncode == 0, made.stdout
    return checkout


@pytest.fixture
def checkout(prepared, tmp_path):
    """The same in a folder of its own."""
    shutil.copytree(prepared.path, tmp_path, symlinks=True, dirs_exist_ok=True)
    copy = Checkout(tmp_path)
    copy.write("config.yaml", SMALL)
    return copy


@pytest.fixture(scope="module")
def undisturbed(tensorflow, prepared, tmp_path_factory):
    """Digests by model of runs without Slurm and without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(prepared.path, folder, dirs_exist_ok=True)
    alone = Checkout(folder)
    alone.write("config.yaml", SMALL)
    run = alone.snakemake(*targets(*BOTH), "--resources", "gpu=2")
    assert run.returncode == 0, run.stdout
    return {model: run_digests(folder / RUN.format(model)) for model in BOTH}


def targets(*models, file="metrics.json"):
    """Return the files that stand for the whole runs of models, or for their trainings."""
    return [f"{RUN.format(model)}/{file}" for model in models]


def assert_same(checkout, undisturbed, model):
    """Assert that a model's run ended at the bits of the undisturbed one, and print both."""
    found = run_digests(checkout.path / RUN.format(model))
    print(f"\n{model}: history, weights, predictions {found}; undisturbed {undisturbed[model]}")
    assert found == undisturbed[model]


def test_the_whole_study_of_the_digits(tmp_path):
    """Four models on two nodes with two GPUs each: what is to be a job was one, the report is there and nothing left
    to do; each device was used, and no two trainings shared one."""
    checkout, models = Checkout(tmp_path), ["model2", "model4", "model5", "model8"]
    keep_models(checkout, models)
    checkout.write("short.yaml", {"limits": {"epochs": 1, "train_images": 500}, "training": {"device": "auto"}})
    with Cluster({"g1": 2, "g2": 2}) as cluster, Watch(cluster) as watch, Run(cluster, checkout.path, *DIGITS) as run:
        run.finish()
        jobs = cluster.jobs()
    assert {state for _, state, _ in jobs} == {"COMPLETED"}
    keys = [path.name for path in (checkout.path / "results/digits/trainings").iterdir()]
    assert len(keys) == len(models)
    assert sorted(comment for _, _, comment in jobs) == sorted(
        ["rule_prepare", "rule_whiten"]
        + [f"rule_train_wildcards_{key}_1" for key in keys]
        + [f"rule_evaluate_wildcards_{model}_1" for model in models]
    )
    assert (checkout.path / "results/digits/report/index.html").exists()
    assert checkout.jobs(*DIGITS) == set()
    devices = {(each["node"], each["device"]) for each in watch.seen.values()}
    assert devices == {(node, device) for node in ("g1", "g2") for device in ("0", "1")}
    assert_apart(watch.seen.values())


def overlap(one, other):
    return one["start"] < other["end"] and other["start"] < one["end"]


def assert_apart(trainings):
    """Assert that no two trainings had one device at one time."""
    trainings = list(trainings)
    for number, one in enumerate(trainings):
        for other in trainings[number + 1 :]:
            if (one["node"], one["device"]) == (other["node"], other["device"]):
                assert not overlap(one, other), (one, other)


@pytest.mark.parametrize("gpus", [1, 2])
def test_two_trainings_on_a_node(checkout, gpus):
    """With one GPU one after the other, with two side by side, each on its own."""
    wanted = targets(*BOTH)
    with (
        Cluster({"c1": 0, "g1": gpus}) as cluster,
        Watch(cluster) as watch,
        Run(cluster, checkout.path, *wanted) as run,
    ):
        run.finish()
    one, other = watch.seen.values()
    print(f"\n{one}\n{other}")
    assert {one["model"], other["model"]} == set(BOTH)
    assert {one["device"], other["device"]} == set(map(str, range(gpus)))
    assert overlap(one, other) == (gpus == 2)


def training_of(cluster, checkout, model):
    """Return the process that trains a model, once it has saved a state."""
    for process in cluster.trainings():
        command = process.cmdline()
        if f"--name={model}" in command:
            folder = checkout.path / command[command.index("--output") + 1]
            return process if (folder / "checkpoint.npz").exists() else None


def logs_of_trainings(checkout):
    """Return what all trainings with seed 1 have said."""
    return "".join(path.read_text() for path in checkout.path.glob("results/logs/train/*/seed1.log"))


def test_a_training_over_its_time_limit(undisturbed, checkout):
    """Slurm's signal before the limit makes it save its state and stop; it comes back as often as it must."""
    arguments = [*targets("plain"), "--set-resources", "train:runtime=1", "--retries", "9"]
    with Cluster({"c1": 0, "g1": 1}) as cluster, Run(cluster, checkout.path, *arguments) as run:
        first = run.until(lambda: training_of(cluster, checkout, "plain"))
        first.suspend()  # so that it is at work still, on the fastest machine, when Slurm's signal comes and wakes it
        run.until(lambda: "stopped by SIGTERM in epoch" in run.said)
        run.finish()
        states = [state for _, state, comment in cluster.jobs() if "train" in comment]
    print(f"\n{len(states)} jobs: {states}")
    assert sorted(states) == ["COMPLETED"] + ["FAILED"] * (len(states) - 1)  # they ended by themselves, not as TIMEOUT
    assert len(states) >= 2
    assert_same(checkout, undisturbed, "plain")


def job_of(training):
    return training.environ()["SLURM_JOB_ID"]


def cancel(cluster, training):
    cluster.run("scancel", job_of(training))


def kill(cluster, training):
    cluster.run("scancel", "--signal=KILL", job_of(training))


def set_down(cluster, training):
    cluster.run("scontrol", "update", f"NodeName={training.environ()['SLURMD_NODENAME']}", "State=DOWN", "Reason=test")


def crash(cluster, training):
    cluster.crash_node(training.environ()["SLURMD_NODENAME"])


def preempt(cluster, training):
    cluster.run(
        "sbatch", "--partition=urgent", "--nodes=2", "--gpus-per-node=1", "--output=/dev/null", "--wrap=sleep 1"
    )


# What is done to the job, and what follows: it fails and Snakemake submits another, or Slurm starts it again.
BLOWS = {
    "scancel": (cancel, "another"),
    "kill -9 by Slurm": (kill, "another"),
    "its node set down": (set_down, "again"),
    "its node crashes": (crash, "again"),
    "preempted": (preempt, "again"),
}


@pytest.mark.parametrize("blow", BLOWS)
def test_a_training_that_loses_its_job(undisturbed, checkout, blow):
    """It comes back by itself, on another node where its own is gone, and goes on from its saved state."""
    strike, comes_back = BLOWS[blow]
    nodes = {"g1": 1, "g2": 1}
    partitions = {"cpu": "Nodes=ALL Default=YES", "gpu": "Nodes=g1,g2", "urgent": "Nodes=g1,g2 PriorityTier=9"}
    with Cluster(nodes, partitions) as cluster, Run(cluster, checkout.path, *targets("plain")) as run:
        first = run.until(lambda: training_of(cluster, checkout, "plain"))
        strike(cluster, first)
        second = run.until(lambda: [each for each in cluster.trainings() if each.pid != first.pid])[0]
        assert (job_of(second) == cluster.jobs()[0][0]) or comes_back == "another"
        run.finish()
        trained = [job for job, _, comment in cluster.jobs() if "train" in comment]
    assert len(trained) == {"another": 2, "again": 1}[comes_back]
    assert "resuming" in logs_of_trainings(checkout)
    assert_same(checkout, undisturbed, "plain")


def test_ctrl_c_cancels_the_jobs_and_a_second_run_submits_what_is_missing(undisturbed, checkout):
    with Cluster({"c1": 0, "g1": 1, "g2": 1}) as cluster:
        with Run(cluster, checkout.path, *targets(*BOTH)) as run:
            late = run.until(lambda: training_of(cluster, checkout, "normalised"))
            late.suspend()  # so that it is at work still when the other is done; scancel wakes it
            run.until(lambda: ": test accuracy " in run.said)
            run.process.send_signal(signal.SIGINT)
            run.process.wait(30)
            end = time.monotonic() + 20
            while cluster.jobs("pending,running,completing"):
                assert time.monotonic() < end, cluster.jobs()
                time.sleep(0.1)
        before = cluster.jobs()
        with Run(cluster, checkout.path, *targets(*BOTH)) as run:
            run.finish()
        again = sorted(comment for _, _, comment in set(cluster.jobs()) - set(before))
    assert sum(state == "CANCELLED" for _, state, _ in before) == 1
    assert again[0] == "rule_evaluate_wildcards_normalised_1"
    assert len(again) == 2
    assert again[1].startswith("rule_train_wildcards_")
    assert checkout.jobs(*targets(*BOTH)) == set()
    assert_same(checkout, undisturbed, "normalised")


def test_two_copies_of_one_training(undisturbed, checkout):
    """Snakemake is killed and its job lives on; the next one's job waits for it, and takes over what it made."""
    with Cluster({"c1": 0, "g1": 1, "g2": 1}) as cluster:
        with Run(cluster, checkout.path, *targets("plain")) as run:
            first = run.until(lambda: training_of(cluster, checkout, "plain"))
            first.suspend()
            run.process.kill()
            run.process.wait()
        with Run(cluster, checkout.path, *targets("plain")) as run:
            run.until(lambda: f"process {first.pid} on " in logs_of_trainings(checkout))
            assert "holds the lock; waiting" in logs_of_trainings(checkout)
            first.resume()
            run.finish()
        trained = [(job, state) for job, state, comment in cluster.jobs() if "train" in comment]
    assert sorted(trained) == [("1", "COMPLETED"), ("2", "COMPLETED")]
    assert_same(checkout, undisturbed, "plain")


def test_cluster_generic(undisturbed, checkout):
    """The other profile, with Slurm's own commands: a job that is lost is seen to be, and another submitted."""
    arguments = [*targets("plain"), "--max-status-checks-per-second", "10"]
    with Cluster({"g1": 1}) as cluster, Run(cluster, checkout.path, *arguments, profile="cluster-generic") as run:
        first = run.until(lambda: training_of(cluster, checkout, "plain"))
        assert first.environ()["CUDA_VISIBLE_DEVICES"] == "0"
        cancel(cluster, first)
        run.finish()
        jobs = cluster.run("squeue", "-h", "-t", "all", "-o", "%j %T").splitlines()
    assert sorted(jobs) == ["evaluate COMPLETED", "train CANCELLED", "train COMPLETED"]
    assert_same(checkout, undisturbed, "plain")
