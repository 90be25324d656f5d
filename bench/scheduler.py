"""What the workflow engine costs: nothing to do, against `dvc repro` of the same graph; and a dry run as seeds grow.

python bench/scheduler.py
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
import pandas as pd
import yaml

from ablation.report.figures import catalogue

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2"]
DVC = [str(measure.PEERS_PYTHON.with_name("dvc"))]
MODELS = [f"model{number}" for number in range(2, 9)]


def checkout(folder):
    """Copy the workflow into a folder and return the folder."""
    for name in ("Snakefile", "config.yaml", "rules", "scripts", "envs", "profiles", "config"):
        source = measure.ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def config(folder, seeds):
    """Write a config of the digits with the given number of seeds; return the names of its files."""
    (folder / "seeds.yaml").write_text(yaml.safe_dump({"seeds": list(range(1, seeds + 1))}))
    return ["config/digits.yaml", "seeds.yaml"]


def seconds(command, folder):
    """Run a command in a folder and return its wall time; its output only where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}:\n{done.stdout}")
    return time.perf_counter() - start


def dvc_pipeline(folder, seeds):
    """Write dvc.yaml with the graph of the study, stages that only write their outputs, and run it once."""
    code = ["scripts/ablation"]

    def stage(outputs, inputs):
        return {
            "cmd": " && ".join(f"echo done > {output}" for output in outputs),
            "deps": [*inputs, *code],
            "outs": outputs,
        }

    stages = {"prepare": stage(["images.npz"], []), "whiten": stage(["zca.npz"], ["images.npz"])}
    runs = [(model, seed) for model in MODELS for seed in range(1, seeds + 1)]
    for model, seed in runs:
        name = f"{model}_{seed}"
        trained = [f"{name}.keras", f"{name}.csv", f"{name}.json"]
        stages[f"train_{name}"] = stage(trained, ["zca.npz"])
        stages[f"evaluate_{name}"] = stage([f"{name}.npz", f"{name}_metrics.json"], [trained[0], trained[2], "zca.npz"])
    seeds_of = {model: [f"{model}_{seed}" for seed in range(1, seeds + 1)] for model in MODELS}
    metrics = [f"{name}_metrics.json" for names in seeds_of.values() for name in names]
    predictions = [f"{name}.npz" for names in seeds_of.values() for name in names]
    histories = [f"{name}.csv" for names in seeds_of.values() for name in names]
    tables, figures = ["accuracy.csv", "comparisons.csv"], {}
    stages["compare"] = stage(tables, [*metrics, *predictions])
    for name, info in catalogue().items():
        if info.scope == "whitening":
            figures[name] = ["images.npz", "zca.npz"]
        elif info.scope == "study":
            figures[name] = [*tables, *metrics, *predictions, *histories]
        elif info.scope == "model":
            for model, names in seeds_of.items():
                its_predictions = [f"{name}.npz" for name in {*names, *seeds_of[MODELS[0]]}]  # and the baseline's
                figures[f"{name}_{model}"] = [*(f"{name}.csv" for name in names), *its_predictions]
    for name, inputs in figures.items():
        stages[f"plot_{name}"] = stage([f"{name}.png"], inputs)
    stages["report"] = stage(["index.html"], [*tables, *metrics, *(f"{name}.png" for name in figures)])
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    for command in (["git", "init", "--quiet"], [*DVC, "init", "--quiet"], [*DVC, "repro", "--quiet"]):
        seconds(command, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 25, 50, 100])
    arguments = parser.parse_args()
    os.environ["DVC_NO_ANALYTICS"] = "1"

    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        ours, theirs = checkout(Path(ours)), Path(theirs)
        shutil.copytree(measure.ROOT / "scripts", theirs / "scripts")
        study = config(ours, 5)
        measure.finish_without_work(ours, ["config.yaml", *study])
        dvc_pipeline(theirs, 5)
        runs = measure.interleave(
            {
                "snakemake": lambda: seconds([*SNAKEMAKE, "--configfile", *study], ours),
                "dvc": lambda: seconds([*DVC, "repro"], theirs),
            },
            arguments.rounds,
        )
    row = {"snakemake, s": runs["snakemake"].median(), "dvc repro, s": runs["dvc"].median()}
    row |= measure.ratios(runs["snakemake"], runs["dvc"])
    measure.report("nothing_to_do", pd.DataFrame([row], index=pd.Index(["7 models x 5 seeds"], name="study")))

    with tempfile.TemporaryDirectory() as folder:
        folder = checkout(Path(folder))
        rows = []
        for seeds in arguments.seeds:
            command = [*SNAKEMAKE, "--dry-run", "--quiet", "all", "--configfile", *config(folder, seeds)]
            rows.append(
                {"seeds": seeds, "jobs": 14 * seeds + 43, "seconds": min(seconds(command, folder) for _ in range(2))}
            )
    table = pd.DataFrame(rows).set_index("seeds")
    measure.report("dry_run", table)
    slope = np.polyfit(np.log(table["jobs"]), np.log(table["seconds"]), 1)[0]
    print(f"seconds grow as jobs to the power {slope:.2f}")


if __name__ == "__main__":
    main()
