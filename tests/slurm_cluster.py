"""A Slurm cluster on the loopback of one machine: munge, a controller and any number of nodes, of counted GPUs."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"]

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A requeued job starts when the credential of its first start has expired; the default is two minutes.
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool.%n
StateSaveLocation={folder}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# The nodes are as large as they are said to be, whatever the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
MailProg=/bin/true
SlurmdTimeout=20
MinJobAge=3600
MaxJobCount=20000
"""


# Snakemake that looks as often as it is told to whether a job has ended; its least is 10 s, which spares a real Slurm.
SNAKEMAKE = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
async def sleep(self):
    await asyncio.sleep({poll})
RemoteExecutor.sleep = sleep
main()
"""


class Cluster:
    """A context manager that starts the cluster, and ends it with all that runs on it.

    nodes: the number of GPUs by the name of a node. A GPU is a link to /dev/null: Slurm counts it, hands
    it out and sets CUDA_VISIBLE_DEVICES. partitions: lines of slurm.conf by the name of a partition;
    without them "cpu" has all nodes and "gpu" those that have one. cpus: of each node.

    `environment` is what a program needs to use it. Nothing listens but on the loopback; nothing is
    written but into a temporary folder.
    """

    def __init__(self, nodes, partitions=None, cpus=4):
        self.nodes = nodes
        self.cpus = cpus
        with_gpu = ",".join(node for node, gpus in nodes.items() if gpus)
        self.partitions = partitions or {"cpu": "Nodes=ALL Default=YES"} | (
            {"gpu": f"Nodes={with_gpu}"} if with_gpu else {}
        )

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="slurm-")  # a short path: munge's socket needs one
        self.folder = Path(self._temporary.name)
        self.environment = os.environ | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }
        self.environment.pop("CUDA_VISIBLE_DEVICES", None)  # jobs would inherit it
        self.daemons = {}
        try:
            self._configure()
            self._start_munge()
            self._daemon("slurmctld", "slurmctld", "-D")
            for node in self.nodes:
                self.start_node(node)
            self._wait(lambda: set(self.states().values()) == {"idle"}, "idle nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised):
        for process in self.processes():  # jobs, and the steps that Slurm detaches from its daemons
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for daemon in self.daemons.values():
            daemon.wait()
        self._temporary.cleanup()

    def processes(self):
        """Yield all processes of the cluster: daemons, jobs and whatever was started to use it."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    yield process

    def _configure(self):
        ports = free_ports(1 + len(self.nodes))
        host = platform.node().split(".")[0]
        user = psutil.Process().username()
        lines = [CONFIGURATION.format(host=host, user=user, folder=self.folder, port=ports[0])]
        devices = []
        for (node, gpus), port in zip(self.nodes.items(), ports[1:], strict=True):
            line = (
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} RealMemory=64000"
            )
            if gpus:
                line += f" Gres=gpu:{gpus}"
                files = f"{self.folder}/dev/{node}-nvidia[0-{gpus - 1}]"
                devices.append(f"NodeName={node} Name=gpu Flags=nvidia_gpu_env File={files}\n")
            lines.append(line + " State=UNKNOWN\n")
            (self.folder / f"spool.{node}").mkdir()
        lines += [f"PartitionName={name} {line} State=UP\n" for name, line in self.partitions.items()]
        (self.folder / "slurm.conf").write_text("".join(lines))
        (self.folder / "gres.conf").write_text("".join(devices))
        for name in ("state", "dev", "bin"):
            (self.folder / name).mkdir()
        for node, gpus in self.nodes.items():
            for index in range(gpus):
                (self.folder / f"dev/{node}-nvidia{index}").symlink_to("/dev/null")
        # Snakemake's job step takes every SLURM_ variable from its srun, the place of the configuration too.
        srun = self.folder / "bin/srun"
        conf = self.environment["SLURM_CONF"]
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        places = {"socket": "sock", "key-file": "key", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        options = [f"--{option}={self.folder}/munge.{suffix}" for option, suffix in places.items()]
        self._daemon("munged", "munged", "--foreground", "--force", *options)
        self._wait((self.folder / "munge.sock").exists, "munge")

    def _daemon(self, name, *command):
        """Start a daemon in the foreground of a session of its own, where Ctrl-C doesn't reach it."""
        with open(self.folder / f"{name}.out", "w") as output:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def start_node(self, node):
        self._daemon(node, "slurmd", "-D", "-N", node)

    def crash_node(self, node):
        """Kill a node's daemon and all that runs there, as a power cut would: nobody is left to report it."""
        there = [process for process in self.processes() if process.environ().get("SLURMD_NODENAME") == node]
        stewards = [parent for each in there for parent in each.parents() if parent.name() == "slurmstepd"]
        for process in [self.daemons[node], *stewards, *there]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.daemons.pop(node).wait()

    def run(self, *command):
        """Run one of Slurm's programs and return what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def states(self):
        """Return the state of each node."""
        with suppress(RuntimeError):
            return dict(line.split() for line in self.run("sinfo", "-h", "-N", "-o", "%N %t").splitlines())
        return {}

    def jobs(self, states="all"):
        """Return (id, state, comment) of each job; the comment names the rule and its wildcards."""
        listed = self.run("squeue", "-h", "-t", states, "-o", "%i|%T|%k")
        return [tuple(line.split("|")) for line in listed.splitlines()]

    def trainings(self):
        """Return the training programs that run, as psutil's processes."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                if process.cmdline()[1:2] == ["scripts/train.py"]:
                    found.append(process)
        return found

    def _wait(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in self.daemons.values()):
                said = "".join(
                    f"\n{path.name}: {path.read_text()[-2000:]}"
                    for pattern in ("*.out", "*.log")
                    for path in sorted(self.folder.glob(pattern))
                )
                raise RuntimeError(f"no {what}:{said}")
            time.sleep(0.05)


class Run:
    """Snakemake in the folder of a checkout, on a cluster: a context manager that doesn't leave it behind.

    poll: seconds between two looks whether a job has ended; None for what the profile says.
    """

    def __init__(self, cluster, folder, *arguments, profile="slurm", poll=0.5):
        program = [sys.executable, *(["-m", "snakemake"] if poll is None else ["-c", SNAKEMAKE.format(poll=poll)])]
        self.output = folder / f"snakemake.{time.monotonic_ns()}.out"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [*program, "--workflow-profile", f"profiles/{profile}", *arguments],
                cwd=folder,
                env=cluster.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.kill()
        self.process.wait()

    @property
    def said(self):
        return self.output.read_text()

    def until(self, condition, seconds=180):
        """Wait for `condition()`, with Snakemake at work, and return what it returns."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process.poll() is None and time.monotonic() < end, self.said
            time.sleep(0.05)
        return found

    def finish(self, seconds=240):
        """Wait for the end, which has to be a good one."""
        assert self.process.wait(seconds) == 0, self.said


class Watch(threading.Thread):
    """A context manager that notes of each training what Slurm gave to it.

    seen: by process id a dict with model, job (Slurm's id), node, device (its CUDA_VISIBLE_DEVICES), start and end (s).
    """

    def __init__(self, cluster):
        super().__init__()
        self.cluster = cluster
        self.seen = {}
        self._over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *raised):
        self._over.set()
        self.join()

    def run(self):
        while not self._over.wait(0.1):
            for process in self.cluster.trainings():
                with suppress(psutil.Error):
                    if process.pid not in self.seen:
                        command, given = process.cmdline(), process.environ()
                        self.seen[process.pid] = {
                            "model": next(word[7:] for word in command if word.startswith("--name=")),
                            "job": given["SLURM_JOB_ID"],
                            "node": given["SLURMD_NODENAME"],
                            "device": given.get("CUDA_VISIBLE_DEVICES"),
                            "start": process.create_time(),
                        }
                    self.seen[process.pid]["end"] = time.time()


def free_ports(number):
    """Return ports of the loopback that nothing listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
