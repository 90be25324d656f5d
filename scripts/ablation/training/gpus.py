"""One GPU per training. Snakemake's `gpu` only counts jobs: each of them would see every GPU.

Each training has a file in a folder of its user, which says what it has or waits for; it holds a lock
on the file (flock) until it ends, and the system frees that when the process exits for any reason. So a file without a
lock belongs to a dead process, and the next process that looks removes it. Every look is taken under the folder's own
lock.

filelock isn't used here: it releases when Python shuts down, and TensorFlow has the GPU until the process is gone.
"""

import fcntl
import json
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml

from ablation.errors import InputError

PAUSE = 0.1  # seconds between two looks of a training that waits
NAME = re.compile(r"[0-9]+|(GPU|MIG)-[\w/-]+")  # what CUDA_VISIBLE_DEVICES may call a GPU

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GPU:
    """A GPU, or an instance of one in MIG mode.

    name: what CUDA knows it by; its UUID, or where NVML doesn't answer, the user's word for it.
    label: its name in messages. aliases: other names of it, and of the card that it is a part of.
    handle: NVML's, if any.
    """

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    handle: object = field(default=None, compare=False)

    def matches(self, name: str) -> bool:
        """Tell whether a name in CUDA_VISIBLE_DEVICES, an index or the beginning of a UUID, means this GPU."""
        if name.isdecimal():
            return name in self.aliases
        return any(each.startswith(name) for each in (self.name, *self.aliases))

    def processes(self) -> set[int]:
        """Return the ids of the processes that compute on it, as far as NVML can tell."""
        if self.handle is None:
            return set()
        try:
            return {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(self.handle)}
        except pynvml.NVMLError:  # not known everywhere, as on WSL
            return set()


@dataclass
class Lease:
    """What `lease` found for this process, in words, and the lock that goes with it, if there is one."""

    description: str
    lock: int | None = None

    def release(self) -> None:
        """Free the GPU for others before this process ends."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def lease(job: str, jobs_per_gpu: int) -> Lease:
    """Lease a GPU until this process ends, and make it the only one that CUDA sees. Comes before TensorFlow starts.

    The choice is among those of CUDA_VISIBLE_DEVICES, otherwise among those of NVML. Where all are in use this
    waits, first come first served. A GPU that a scheduler has assigned is left as it is.

    job: this job's name, for the messages. jobs_per_gpu: how many processes may be on the GPU at once,
    other programs' included.

    Raises InputError where the user's folder of leases can't be made or isn't theirs alone.
    """
    with nvml() as (known, answer):
        gpus = visible_gpus(known)
        assigned = scheduler_assignment(gpus)
        if assigned:
            label, scheduler = assigned
            logger.info("%s: %s: assigned by %s", job, label, scheduler)
            return Lease(label)
        if not gpus:
            names = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
            return Lease(f"any GPU; CUDA_VISIBLE_DEVICES: {names or 'empty'}; NVML: {answer}")
        entry = {
            "what": f"{job} (process {os.getpid()})",
            "process": os.getpid(),
            "gpus": [gpu.name for gpu in gpus],
            "jobs_per_gpu": jobs_per_gpu,
            "has": None,
        }
        folder = Path(tempfile.gettempdir(), f"ablation-gpus-{os.getuid()}")
        gpu, lock = _wait(folder, job, entry, gpus)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu.name
    logger.info("%s: %s: leased", job, gpu.label)
    return Lease(gpu.label, lock)


def _wait(folder: Path, job: str, entry: dict, gpus: list[GPU]) -> tuple[GPU, int]:
    """Add a job's entry to the folder, wait for its turn, and return the GPU that it gets, and its lock."""
    lock, logged = None, set()
    while True:
        with _folder_lock(folder):
            jobs = _live_jobs(folder)
            if lock is None:
                number = max(jobs, default=0) + 1
                jobs[number] = entry
                file = folder / f"{number}.job"
                lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                file.write_text(json.dumps(entry))
                fcntl.flock(lock, fcntl.LOCK_EX)
            gpu, lines = pick_gpu(gpus, number, jobs)
            if gpu:
                file.write_text(json.dumps(entry | {"has": gpu.name}))
        for line in lines:  # without the folder's lock: a terminal may block
            if line not in logged:
                logged.add(line)
                logger.info("%s: %s", job, line)
        if gpu:
            return gpu, lock
        time.sleep(PAUSE)


def pick_gpu(gpus: list[GPU], number: int, jobs: dict[int, dict]) -> tuple[GPU | None, list[str]]:
    """Return the one of `gpus` that job `number` may have now, None where it has to wait, and lines for the user.

    jobs: the entries of all live jobs, by number; who came first has the lower one.
    """
    free, lines, unavailable = [], [], []
    for gpu in gpus:
        holders = [job for job in jobs.values() if job["has"] == gpu.name]
        others = gpu.processes() - {job["process"] for job in holders}
        ahead = [job for n, job in jobs.items() if n < number and not job["has"] and gpu.name in job["gpus"]]
        users = [job["what"] for job in holders]
        users += [f"process {process} of another program" for process in sorted(others)]
        if len(users) >= min(job["jobs_per_gpu"] for job in (jobs[number], *holders)):
            unavailable.append(f"{gpu.label}: in use by {', '.join(users)}")
            if others:
                lines.append(f"{unavailable[-1]}; skipped")
        elif ahead:
            unavailable.append(f"{gpu.label}: {ahead[0]['what']} is ahead in the queue")
        else:
            free.append((len(users), gpu))
    if free:
        return min(free, key=lambda entry: entry[0])[1], lines
    return None, [*lines, f"waiting for a GPU; {'; '.join(unavailable)}"]


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that is this user's alone; it is made where it is missing.

    Raises InputError where it isn't this user's alone, or what is done in the context fails.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            status = os.fstat(handle)
            if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise PermissionError(0, "it belongs to another user, or is open to others")
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot store GPU locks here ({error.strerror}); "
            "it has to be a folder of yours alone (mode 0700); set TMPDIR to use another"
        ) from None


def _live_jobs(folder: Path) -> dict[int, dict]:
    """Return the entries of all live jobs in the folder, by number; remove the files of dead ones."""
    jobs = {}
    for path in folder.glob("*.job"):
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                with suppress(json.JSONDecodeError):  # its disk is full, and it is about to end
                    jobs[int(path.stem)] = json.load(file)
    return jobs


@contextmanager
def nvml() -> Iterator[tuple[list[GPU], str]]:
    """Yield the GPUs that NVML reports, in the order of nvidia-smi, and its answer in words."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:  # no NVIDIA driver, or one that doesn't work
        yield [], str(error)
        return
    try:
        gpus = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            with suppress(pynvml.NVMLError):  # a card that is broken, or not for this user
                card = pynvml.nvmlDeviceGetHandleByIndex(index)
                aliases = (str(index), pynvml.nvmlDeviceGetUUID(card))
                for instance in _mig_instances(card):
                    name = pynvml.nvmlDeviceGetUUID(instance)
                    gpus.append(GPU(name, f"GPU {index} ({name})", aliases, instance))
        yield gpus, f"reports {len(gpus)}"
    finally:
        pynvml.nvmlShutdown()


def _mig_instances(card: Any) -> list:
    """Return the NVML handles of a card's MIG instances, or of itself where it isn't in MIG mode."""
    try:
        in_mig_mode = pynvml.nvmlDeviceGetMigMode(card)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError:  # most cards have no such mode
        in_mig_mode = False
    if not in_mig_mode:
        return [card]
    instances = []
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card)):
        with suppress(pynvml.NVMLError):  # the numbers have gaps
            instances.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, index))
    return instances


def visible_gpus(known: list[GPU]) -> list[GPU]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names; those that NVML knows where it isn't set.

    As CUDA reads it, the list ends before the first invalid name. An index counts as in nvidia-smi.
    A card in MIG mode stands for all its instances.
    """
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        return known
    gpus = []
    for name in map(str.strip, names.split(",")):
        if not NAME.fullmatch(name):
            break
        matching = [gpu for gpu in known if gpu.matches(name)] if known else [GPU(name, _label(name))]
        if not matching:
            break
        gpus += matching
    return list(dict.fromkeys(gpus))


def _label(name: str) -> str:
    return f"GPU {name}" if name.isdecimal() else name


def scheduler_assignment(gpus: list[GPU]) -> tuple[str, str] | None:
    """Return (GPU, scheduler), both in words, where a scheduler has given this job one GPU; None otherwise.

    Of several that a job was given, one is still to be leased. Slurm names those of the step or the job as the
    whole node counts them, and CUDA_VISIBLE_DEVICES as the job does. A pod of Kubernetes sees only its own.
    """
    if "SLURM_JOB_ID" in os.environ:
        scheduler = f"Slurm job {os.environ['SLURM_JOB_ID']}"
        variables = ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES"]
    elif "KUBERNETES_SERVICE_HOST" in os.environ:
        scheduler = "Kubernetes"
        variables = ["NVIDIA_VISIBLE_DEVICES"]
    else:
        return None
    names = next(filter(None, map(os.environ.get, variables)), "").split(",")
    if len(names) == 1 and NAME.fullmatch(names[0]):
        return _label(names[0]), scheduler
    if scheduler == "Kubernetes" and len(gpus) == 1:
        return gpus[0].label, scheduler
    return None
