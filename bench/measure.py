"""What the benchmarks share: specs of the study, contenders taken in turn, tables on the screen and in JSON."""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
CPUS = sorted(os.sched_getaffinity(0))
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
sys.path.insert(0, str(ROOT / "scripts"))


def spec_of(model, **changes):
    """Return the ModelSpec of a model of config.yaml or config/airbench.yaml, changed."""
    from snakemake.utils import update_config

    from ablation import settings

    schema = yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text())
    config = {}
    for name in ("config.yaml", "config/airbench.yaml"):
        update_config(config, yaml.safe_load((ROOT / name).read_text()))
    return dataclasses.replace(settings.model_spec(settings.complete(config, schema), model), **changes)


def cpu():
    """Return the processor's name, as Linux reports it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def in_turn(contenders, rounds):
    """Call each of {name: function returning seconds} once a round; return seconds, a column each."""
    return pd.DataFrame([{name: call() for name, call in contenders.items()} for _ in range(rounds)])


def ratios(of, to):
    """Return median, smallest and largest of of / to, two Series, pair by pair."""
    pairs = of / to
    return {"ratio": pairs.median(), "smallest": pairs.min(), "largest": pairs.max()}


def report(name, table):
    """Print a table and write it to bench/results/NAME.json with the machine it was measured on."""
    print(f"\n{name} ({cpu()})")
    print(table.to_string(float_format=lambda value: f"{value:.4g}"), flush=True)
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": cpu(), "command": sys.argv, "rows": json.loads(table.reset_index().to_json(orient="records"))}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


class Worker:
    """A contender.py in a process of its own, a thread on each of `cpus`, that trains an epoch when it is asked to."""

    def __init__(self, way, precision, cpus, images, spec):
        python = PEERS_PYTHON if way == "torch" else sys.executable
        numbers = ",".join(map(str, cpus))
        command = [python, ROOT / "bench/contender.py", way, precision, numbers, images, spec.to_json()]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.images, self.threads = images, len(cpus)
        self.busy = []
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"error: {' '.join(map(str, command))} did not start")

    def epoch(self):
        """Train an epoch; return its images per second."""
        print(file=self.process.stdin, flush=True)
        seconds, cpu_seconds = map(float, self.process.stdout.readline().split())
        self.busy.append(cpu_seconds / seconds / self.threads)
        return self.images / seconds

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
