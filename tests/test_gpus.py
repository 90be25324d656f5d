"""GPUs leased by real processes that wait and die. Only NVML's answers are made up (tests/nvml)."""

import importlib.util
import inspect
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from conftest import ROOT
from test_faults import small_study

JOB = """
import gc, os, sys, time
from ablation import errors, logs
from ablation.training import gpus

def main():
    logs.start()
    found = gpus.lease(sys.argv[1], int(sys.argv[2])).description
    gc.collect()  # what `lease` returned is gone, and the GPU is still this process's
    print("found", found)
    print("has", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    begin = time.monotonic()
    time.sleep(float(sys.argv[3])) if len(sys.argv) > 3 else sys.stdin.readline()
    print("had", begin, time.monotonic(), flush=True)

errors.run(main)
"""


class Job:
    """A process that leases a GPU, says what it has, and holds it for so many seconds or until it is told to end."""

    def __init__(self, folder, what, *arguments, code=JOB, **environment):
        inherited = {name: value for name, value in os.environ.items() if not re.match("CUDA|NV|SLURM|KUBE", name)}
        paths = {"TMPDIR": str(folder), "PYTHONPATH": f"{ROOT}/tests/nvml:{ROOT}/scripts"}
        self.log = folder / f"{what}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, what, *map(str, arguments or [1])],
                env=inherited | paths | environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
            )

    def says(self, text, seconds=20):
        """Wait until it has said `text` and return that line."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.log.read_text().splitlines():
                if text in line:
                    return line
            time.sleep(0.005)
        raise AssertionError(f"{text!r} is not in {self.log.read_text()!r}")

    def end(self):
        """Tell it to end, and return all that it said."""
        self.process.communicate("\n")
        return self.log.read_text()


@pytest.fixture
def start(tmp_path):
    """Start jobs as `Job` does, and kill those that are left at the end."""
    jobs = []

    def start(*arguments, **environment):
        jobs.append(Job(tmp_path, *arguments, **environment))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()
        job.process.communicate()


@pytest.fixture
def nvml(tmp_path):
    """Write NVML's answers and return the variable that makes a job see them."""

    def nvml(*cards):
        path = tmp_path / "nvml.json"
        path.write_text(json.dumps(cards))
        return {"NVML_ANSWERS": str(path)}

    return nvml


def card(uuid, *processes, **instances):
    return {"uuid": uuid, "processes": processes} | instances


def overlaps(spans):
    """Return the pairs of (begin, end) of one GPU that overlap."""
    spans = sorted(spans)
    return [(a, b) for a, b in itertools.pairwise(spans) if b[0] < a[1]]


def spans_of(jobs):
    """Wait for jobs to end, and return (begin, end) of each by the GPU that it had."""
    spans = {}
    for job in jobs:
        output = job.end()
        has = re.search(r"^has (.*)\nhad (\S+) (\S+)$", output, re.MULTILINE)
        assert has, output
        spans.setdefault(has[1], []).append((float(has[2]), float(has[3])))
    return spans


def test_eight_jobs_on_three_gpus_never_share_one(start):
    spans = spans_of([start(f"job{n}", 1, 0.3, CUDA_VISIBLE_DEVICES="0,1,2") for n in range(8)])
    assert sorted(spans) == ["0", "1", "2"]
    assert sum(map(len, spans.values())) == 8
    assert [overlaps(each) for each in spans.values()] == [[], [], []]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_killed_job_s_gpu_is_free_at_once(start, how):
    holder = start("holder", CUDA_VISIBLE_DEVICES="0")
    holder.says("has 0")
    waiter = start("waiter", CUDA_VISIBLE_DEVICES="0")
    line = waiter.says("waiting")
    assert line == f"waiter: waiting for a GPU; GPU 0: in use by holder (process {holder.process.pid})"
    holder.process.send_signal(signal.Signals[how])
    killed = time.monotonic()
    waiter.says("has 0")
    latency = time.monotonic() - killed
    print(f"\n{how}: free after {latency:.3f} s")
    assert latency < 2


def test_first_come_first_served(start):
    """Each waits behind those before it; one that was killed in the queue holds nobody up."""
    holder = start("holder", CUDA_VISIBLE_DEVICES="0")
    holder.says("has 0")
    jobs = []
    for n in range(6):
        jobs.append(start(f"job{n}", 1, 0.2, CUDA_VISIBLE_DEVICES="0"))
        jobs[-1].says("waiting")
    jobs.pop(2).process.kill()
    holder.end()
    spans = [span for job in jobs for span in spans_of([job])["0"]]
    assert spans == sorted(spans)
    assert not overlaps(spans)


def test_nobody_takes_a_gpu_that_another_waits_for(start):
    """Nor is held up by those who wait for others."""
    holder = start("holder", CUDA_VISIBLE_DEVICES="0")
    holder.says("has 0")
    first = start("first", CUDA_VISIBLE_DEVICES="0")
    first.says("waiting")
    start("other", CUDA_VISIBLE_DEVICES="0,1").says("has 1")
    first.process.send_signal(signal.SIGSTOP)
    holder.end()
    later = start("later", CUDA_VISIBLE_DEVICES="0")
    later.says(f"waiting for a GPU; GPU 0: first (process {first.process.pid}) is ahead in the queue")
    first.process.send_signal(signal.SIGCONT)
    first.says("has 0")
    first.end()
    later.says("has 0")


STRESS = """
import json, os, signal, sys, time
from ablation.training import gpus

def job(number):
    begin, open_before = time.monotonic(), len(os.listdir("/proc/self/fd"))
    gpus.lease(f"job{number}", 1)
    got = time.monotonic()
    opened = len(os.listdir("/proc/self/fd")) - open_before
    time.sleep(0.002)
    entry = [os.environ["CUDA_VISIBLE_DEVICES"], begin, got, time.monotonic(), opened]
    os.write(1, (json.dumps(entry) + "\\n").encode())
    os.kill(os.getpid(), signal.SIGKILL if number % 2 else signal.SIGTERM)

count, at_once = map(int, sys.argv[2:])
for number in range(count):
    if number >= at_once:
        os.wait()
    if os.fork() == 0:
        job(number)
for number in range(at_once):
    os.wait()
"""


def stress(start, count, at_once, gpus):
    """Have `count` processes lease a GPU and be killed, so many at once, and return what they said; print figures."""
    names = ",".join(map(str, range(gpus)))
    begin = time.monotonic()
    output = start("stress", count, at_once, code=STRESS, CUDA_VISIBLE_DEVICES=names).end()
    seconds = time.monotonic() - begin
    entries = [json.loads(line) for line in output.splitlines()]
    waits = sorted(got - begin for _, begin, got, *_ in entries)
    crossing = sum(
        len(overlaps([(got, end) for gpu, _, got, end, *_ in entries if gpu == each])) for each in names.split(",")
    )
    print(
        f"\n{count} leases, {at_once} jobs at once on {gpus} GPUs: {count / seconds:.0f} leases/s, "
        f"waits {waits[count // 2]:.3f} s (median), {waits[-1]:.3f} s (longest), {crossing} overlaps"
    )
    assert len(entries) == count
    assert crossing == 0
    assert {entry[0] for entry in entries} == set(names.split(","))
    assert {entry[4] for entry in entries} == {1}  # open files more than before: the lock
    return entries


def test_a_thousand_leases_leave_nothing_behind(start, tmp_path):
    stress(start, 1000, 3, gpus=3)
    last = start("last", CUDA_VISIBLE_DEVICES="0")
    last.says("has 0")
    (folder,) = tmp_path.glob("ablation-gpus-*")
    (left,) = folder.iterdir()
    assert left.stat().st_size < 1000
    assert json.loads(left.read_text())["process"] == last.process.pid


@pytest.mark.faults
def test_leases_of_a_crowd(start):
    stress(start, 300, 8, gpus=3)


@pytest.mark.parametrize("name", ["0", "GPU-aaaa-1111", "GPU-aaaa", "0,7,1", "GPU-aaaa, GPU-zzzz"])
def test_all_names_of_a_card_are_one_lock(start, nvml, name):
    """What comes behind a name that is no GPU isn't seen, as CUDA has it."""
    answers = nvml(card("GPU-aaaa-1111"), card("GPU-bbbb-2222"))
    start("holder", CUDA_VISIBLE_DEVICES="GPU-aaaa-1111", **answers).says("has GPU-aaaa-1111")
    other = start("other", CUDA_VISIBLE_DEVICES=name, **answers)
    assert other.says("waiting").startswith("other: waiting for a GPU; GPU 0 (GPU-aaaa-1111): in use by holder")
    start("all", **answers).says("has GPU-bbbb-2222")


def test_instances_of_a_card_in_mig_mode(start, nvml):
    """Each is a GPU of its own, by whatever name; a card that is broken is none."""
    instances = {"1": card("MIG-x"), "5": card("MIG-y")}
    answers = nvml(None, card("GPU-a", instances=instances), card("GPU-b"))
    start("one", CUDA_VISIBLE_DEVICES="MIG-y", **answers).says("one: GPU 1 (MIG-y): leased")
    start("two", CUDA_VISIBLE_DEVICES="1", **answers).says("has MIG-x")
    start("three", CUDA_VISIBLE_DEVICES="GPU-a", **answers).says("waiting for a GPU; GPU 1 (MIG-x): in use by two")
    start("four", **answers).says("has GPU-b")


def test_a_gpu_that_another_program_uses_is_skipped(start, nvml):
    job = start("job", **nvml(card("GPU-a", 4321), card("GPU-b")))
    assert job.says("skipped") == "job: GPU 0 (GPU-a): in use by process 4321 of another program; skipped"
    job.says("has GPU-b")
    waiter = start("waiter", **nvml(card("GPU-a", 4321), card("GPU-b", job.process.pid)))
    line = waiter.says("waiting")
    assert "GPU 0 (GPU-a): in use by process 4321 of another program; " in line
    assert line.endswith(f"GPU 1 (GPU-b): in use by job (process {job.process.pid})")  # it is one of ours
    nvml(card("GPU-a"), card("GPU-b", job.process.pid))
    waiter.says("has GPU-a")


def test_two_jobs_per_gpu(start, nvml):
    """Two share a card, after both cards have one; another program counts; who is to be alone on a card is."""
    answers = nvml(card("GPU-a"), card("GPU-b"))
    jobs = []
    for n, name in enumerate(["GPU-a", "GPU-b", "GPU-a", "GPU-b"]):
        jobs.append(start(f"job{n}", 2, **answers))
        jobs[n].says(f"has {name}")
    third = start("third", 2, **answers)
    third.says("waiting")
    nvml(card("GPU-a", 4321), card("GPU-b"))
    jobs[0].end()
    third.says(f": in use by job2 (process {jobs[2].process.pid}), process 4321 of another program; skipped")
    nvml(card("GPU-a"), card("GPU-b"))
    third.says("has GPU-a")
    alone = start("alone", 1, **answers)
    alone.says("waiting")
    third.end()
    alone.says(f"GPU 0 (GPU-a): in use by job2 (process {jobs[2].process.pid}); GPU 1")
    jobs[2].end()
    alone.says("has GPU-a")
    start("later", 2, **answers).says("GPU 0 (GPU-a): in use by alone")


SLURM = {"SLURM_JOB_ID": "17"}
PODS = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
ASSIGNED = {
    "Slurm": (SLURM | {"SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "0"}, "GPU 2: assigned by Slurm job 17"),
    "a step of Slurm": (SLURM | {"SLURM_JOB_GPUS": "2,3", "SLURM_STEP_GPUS": "3"}, "GPU 3: assigned by Slurm job 17"),
    "Slurm, by CUDA alone": (SLURM | {"CUDA_VISIBLE_DEVICES": "MIG-x"}, "MIG-x: assigned by Slurm job 17"),
    "Kubernetes": (PODS | {"NVIDIA_VISIBLE_DEVICES": "GPU-a"}, "GPU-a: assigned by Kubernetes"),
    "Kubernetes by mounts": (PODS | {"NVIDIA_VISIBLE_DEVICES": "void"}, "GPU 0 (GPU-a): assigned by Kubernetes"),
}


@pytest.mark.parametrize("scheduler", ASSIGNED)
def test_what_a_scheduler_assigned_is_left_alone(start, nvml, tmp_path, scheduler):
    """Another program on it is the scheduler's business."""
    environment, line = ASSIGNED[scheduler]
    job = start("job", **environment, **nvml(card("GPU-a", 4321)))
    job.says(f"job: {line}")
    job.says(f"has {environment.get('CUDA_VISIBLE_DEVICES')}")
    assert not list(tmp_path.glob("ablation-gpus-*"))


@pytest.mark.parametrize(
    "environment",
    [
        SLURM | {"SLURM_JOB_GPUS": "4,5", "CUDA_VISIBLE_DEVICES": "0,1"},
        SLURM,  # no GPU of this cluster is Slurm's to give
        PODS | {"NVIDIA_VISIBLE_DEVICES": "all"},
    ],
)
def test_of_several_that_a_scheduler_gave_one_is_leased(start, nvml, environment):
    answers = nvml(card("GPU-a"), card("GPU-b"))
    start("one", **environment, **answers).says("has GPU-a")
    start("two", **environment, **answers).says("has GPU-b")


@pytest.mark.parametrize("names", ["", "-1", "NoDevFiles", "9,0"])
def test_no_gpu_to_lease(start, nvml, tmp_path, names):
    job = start("job", CUDA_VISIBLE_DEVICES=names, **nvml(card("GPU-a")))
    job.says(f"has {names}")
    job.says(f"found any GPU; CUDA_VISIBLE_DEVICES: {names or 'empty'}; NVML: reports 1")
    start("other").says("found any GPU; CUDA_VISIBLE_DEVICES: not set; NVML: NVML Shared Library Not Found")
    assert not list(tmp_path.glob("ablation-gpus-*"))


def foreign(path):
    path.mkdir(mode=0o700)
    try:
        os.chown(path, 12345, 12345)
    except PermissionError:
        pytest.skip("only root can give a folder away")


def open_to_others(path):
    path.mkdir()
    path.chmod(0o770)


def link(path):
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("wrong", [foreign, open_to_others, link, lambda path: path.write_text("")])
def test_a_folder_that_is_not_this_user_s_alone_is_refused(start, tmp_path, wrong):
    wrong(tmp_path / f"ablation-gpus-{os.getuid()}")
    output = start("job", CUDA_VISIBLE_DEVICES="0").end()
    assert re.fullmatch(r"error: \S+: cannot store GPU locks here \(.+\); it has to be .*TMPDIR.*\n", output), output


TENSORFLOW = """
import sys
from ablation import errors, logs
from ablation.training import devices, gpus

def say(line):
    print(line, flush=True)

logs.start()
say(devices.start_tensorflow("auto", 1, "job", 1))
sys.stdin.readline()
try:
    devices.start_tensorflow("gpu", 1, "job", 1)
except errors.InputError as error:
    say(f"error: {error}")
gpus.lease = None
say(devices.start_tensorflow("cpu", 1))
"""


def test_where_tensorflow_sees_no_gpu(start):
    """`auto` says so and releases the lease, `gpu` is an error, and `cpu` doesn't look."""
    job = start("job", code=TENSORFLOW, CUDA_VISIBLE_DEVICES="98")
    job.says("CPU, 1 thread", seconds=60)
    other = start("other", CUDA_VISIBLE_DEVICES="98")
    other.says("has 98")
    other.end()
    output = re.sub(r"TensorFlow [0-9.]+", "TensorFlow", job.end())
    output = re.sub(r"^(CPU, 1 thread), \w+$", r"\1", output, flags=re.MULTILINE)
    missing = "TensorFlow found no GPU (expected GPU 98)"
    assert [line for line in output.splitlines() if line.startswith(("job: ", "CPU, ", "error: "))] == [
        "job: GPU 98: leased",
        f"job: falling back to the CPU: {missing}",
        "CPU, 1 thread",
        "job: GPU 98: leased",
        f"error: training.device is gpu, but {missing}; "
        "install it with CUDA ('make gpu'), or set training.device to cpu or auto",
        "CPU, 1 thread",
    ]


@pytest.mark.faults
def test_snakemake_trains_on_four_gpus_at_once(nvml, tmp_path, monkeypatch):
    """Each training leases another. (None of them sees its GPU, so each then trains on the CPU, and says so.)

    Real processes, which start TensorFlow for longer than they wait for each other.
    """
    four = {f"m{n}": {"epochs": 3, "learning_rate": 1 - n / 10} for n in range(4)}  # alike they would be one training
    checkout = small_study(tmp_path / "study", training={"device": "auto"}, models=four)
    for name, value in (nvml(*(card(f"GPU-{n}") for n in range(4))) | {"TMPDIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests/nvml"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # set by tests that started TensorFlow on the CPU
    models = " ".join(f"results/runs/m{n}/seed1/model.keras" for n in range(4))
    run = checkout.shell(f"python -m snakemake {models} --cores 4 --resources gpu=4")
    assert run.returncode == 0, run.stdout
    leased = re.findall(r"^(m\d) seed 1: (GPU \d) \(GPU-\d\): leased$", run.stdout, re.MULTILINE)
    print(f"\n{leased}")
    assert [len({pair[place] for pair in leased}) for place in (0, 1)] == [4, 4]


def test_the_stand_in_has_the_signatures_of_nvidia_ml_py():
    import pynvml

    spec = importlib.util.spec_from_file_location("stand_in", ROOT / "tests/nvml/pynvml.py")
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    for name in (name for name in dir(stand_in) if name.startswith("nvml")):
        assert inspect.signature(getattr(stand_in, name)) == inspect.signature(getattr(pynvml, name)), name
    assert pynvml.NVML_DEVICE_MIG_ENABLE == stand_in.NVML_DEVICE_MIG_ENABLE


def test_an_index_means_one_gpu_and_the_beginning_of_a_uuid_those_that_begin_so():
    from ablation.training.gpus import GPU

    tenth = GPU("GPU-1f00", "GPU 10", ("10", "GPU-1f00"))
    assert [tenth.matches(name) for name in ("10", "1", "0", "GPU-1f", "GPU-2")] == [True, False, False, True, False]
