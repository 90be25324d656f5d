"""What the benchmarks share: specs of the study, contenders that take turns, tables on the screen and in JSON."""

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


def study_spec(model, **changes):
    """Return the ModelSpec of a model of config.yaml or config/airbench.yaml, changed."""
    from snakemake.utils import update_config

    from ablation.settings import check, specs

    config = {}
    for name in ("config.yaml", "config/airbench.yaml"):
        update_config(config, yaml.safe_load((ROOT / name).read_text()))
    return specs.model_spec(check.validate_and_fill(config, specs.load_schema()), model).replace(**changes)


def finish_without_work(folder, configs):
    """Make the study of a checkout finished: every output there, bearing its key, and otherwise empty.

    configs: the names of its config files in `folder`, as snakemake merges them; the dataset has no file of its own.
    """
    from snakemake.utils import update_config

    from ablation import files, plan
    from ablation.report.outputs import TABLE_FILES
    from ablation.settings import check, specs

    config = {}
    for name in configs:
        update_config(config, yaml.safe_load((folder / name).read_text()))
    results = folder / config.get("pathvars", {}).get("results", "results")
    schema = specs.load_schema()
    finished = plan.Plan(check.validate_and_fill(config, schema), schema, results, folder / "digests.json")
    for path in (finished.images_path, finished.whitened_path):
        for suffix in (".npz", ".json"):
            files.write_text((results / path).with_suffix(suffix), "")
    for model, by_seed in finished.evaluations.items():
        for seed in by_seed:
            training, run = results / finished.training_path(model, seed), results / f"runs/{model}/seed{seed}"
            for name in plan.TRAINING_FILES:
                files.write_text(training / name, "")
            for name in plan.RUN_FILES:
                files.write_text(run / name, "")
            files.write_record(training / "training.json", {"weights_digest": ""})
            key = finished.study["evaluations"][model][str(seed)]
            files.write_record(run / "metrics.json", {"key": key, "weights_digest": ""})
    outputs = draw_without_work(finished.study, results)
    for name in TABLE_FILES:
        files.write_text(results / "report" / name, outputs.tables)
    files.write_json(results / "report/study.json", finished.study)


def draw_without_work(study, results):
    """Make the figures and the report of a study, empty but for their keys; return its Outputs."""
    from ablation import files
    from ablation.report.figures import figure_paths
    from ablation.report.outputs import Outputs

    outputs = Outputs(study, results)
    for name, key in outputs.figures.items():
        for path in figure_paths(name):
            files.write_text(results / path, f'<svg viewBox="0 0 1 1"></svg>{key}')
    files.write_text(results / "report/index.html", outputs.report)
    return outputs


def cpu():
    """Return the processor's name, as Linux reports it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def interleave(contenders, rounds):
    """Call each of {name: function returning seconds} once per round; return seconds, a column per name."""
    return pd.DataFrame([{name: call() for name, call in contenders.items()} for _ in range(rounds)])


def ratios(numerator, denominator):
    """Return median, smallest and largest of the ratio of two Series, pair by pair."""
    pairs = numerator / denominator
    return {"ratio": pairs.median(), "smallest": pairs.min(), "largest": pairs.max()}


def report(name, table):
    """Print a table and write it to bench/results/NAME.json with the machine it was measured on."""
    print(f"\n{name} ({cpu()})")
    print(table.to_string(float_format=lambda value: f"{value:.4g}"), flush=True)
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": cpu(), "command": sys.argv, "rows": json.loads(table.reset_index().to_json(orient="records"))}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


class Worker:
    """A contender.py in a process of its own, one thread on each of `cpus`, that trains an epoch on request."""

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
        self.cpu_utilization = []
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"error: {' '.join(map(str, command))} did not start")

    def epoch(self):
        """Train an epoch; return its images per second."""
        print(file=self.process.stdin, flush=True)
        seconds, cpu_seconds = map(float, self.process.stdout.readline().split())
        self.cpu_utilization.append(cpu_seconds / seconds / self.threads)
        return self.images / seconds

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
