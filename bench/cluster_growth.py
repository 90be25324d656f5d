"""What Snakemake and Slurm cost as a study grows: 7 models x 100 seeds on 50 nodes with a GPU each, jobs that sleep.

The scheduler, the nodes and all that the main Snakemake does are real. A job, which would start two more Snakemakes
on its node (bench/slurm_timeline.py shows what that takes), sleeps and makes its outputs, empty: one machine can't
be fifty.

python bench/cluster_growth.py
"""

import argparse
import math
import resource
import shutil
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import measure
import pandas as pd
import psutil
import scheduler

sys.path.insert(0, str(measure.ROOT / "tests"))
from slurm_cluster import Cluster, Run

# An sbatch that puts sleep and touch into the place of the job's Snakemake.
SBATCH = """#!{python} -ES
import os, re, sys
TRAINED = ["model.keras", "history.csv", "training.json"]
OUTPUTS = {{"train": ("trainings", TRAINED), "evaluate": ("runs", [*TRAINED, "predictions.npz", "metrics.json"])}}
for number, argument in enumerate(sys.argv):
    if argument.startswith("--wrap="):
        seconds, files = 0, []
        for rule, name, s in dict.fromkeys(re.findall(r"(train|evaluate):(?:key|model)=(\\w+),seed=(\\d+)", argument)):
            seconds += {seconds} if rule == "train" else 1
            folder, outputs = OUTPUTS[rule]
            files += [f"results/digits/{{folder}}/{{name}}/seed{{s}}/{{output}}" for output in outputs]
            files.append(f"results/digits/benchmarks/{{rule}}/{{name}}/seed{{s}}.tsv")
        folders = sorted(set(map(os.path.dirname, files)))
        sys.argv[number] = f"--wrap=sleep {{seconds}}; mkdir -p {{' '.join(folders)}}; touch {{' '.join(files)}}"
os.execv("{sbatch}", sys.argv)
"""


def cluster_of(gpus):
    return Cluster({f"n{number}": 1 for number in range(gpus)})


def baseline_rate(gpus, jobs):
    """Return submissions per second without Snakemake: one sbatch after the other, and one array of as many."""
    options = ["--partition=gpu", "--gpus=1", "--mem=100", "--output=/dev/null", "--wrap=sleep 1"]
    with cluster_of(gpus) as cluster:
        start = time.perf_counter()
        for _ in range(jobs):
            cluster.run("sbatch", *options)
        single = time.perf_counter() - start
        start = time.perf_counter()
        cluster.run("sbatch", f"--array=1-{jobs}", *options)
        return {"sbatch, jobs/s": jobs / single, "sbatch --array, jobs/s": jobs / (time.perf_counter() - start)}


def run_at_scale(prepared, gpus, seeds, seconds, queued, *arguments):
    """Run the study with given numbers of seeds, GPUs and training jobs in Slurm's queue, and return a row of figures.

    arguments: more for Snakemake, such as another --max-jobs-per-timespan.
    """
    with tempfile.TemporaryDirectory() as folder, cluster_of(gpus) as cluster:
        folder = Path(folder)
        shutil.copytree(prepared, folder, dirs_exist_ok=True)
        (folder / "gpu.yaml").write_text("training: {device: auto}\n")
        study = ["--configfile", *scheduler.config(folder, seeds), "gpu.yaml"]
        sbatch = cluster.folder / "bin/sbatch"
        sbatch.write_text(SBATCH.format(python=sys.executable, sbatch=shutil.which("sbatch"), seconds=seconds))
        sbatch.chmod(0o755)
        wanted = [
            f"results/digits/runs/{model}/seed{seed}/metrics.json"
            for model in scheduler.MODELS
            for seed in range(1, seeds + 1)
        ]
        options = ["--jobs", "1000", "--resources", f"gpu={queued}", "--quiet", "all"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.time()
        with Run(cluster, folder, *wanted, *options, *arguments, *study, poll=None) as run:
            run.finish(3600)
        wall = time.time() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        controller = sum(psutil.Process(cluster.daemons["slurmctld"].pid).cpu_times()[:2])
        listed = cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%k|%V|%S|%e").splitlines()
    jobs = pd.DataFrame([line.split("|") for line in listed], columns=["comment", "submit", "start", "end"])
    for column in ("submit", "start", "end"):
        jobs[column] = [datetime.fromisoformat(moment).timestamp() for moment in jobs[column]]
    trained = jobs[jobs["comment"].str.contains("train")].sort_values("submit")
    burst = trained["submit"].iloc[: min(queued, len(trained))]
    busy = (trained["end"] - trained["start"]).sum()
    ideal = math.ceil(len(trained) / gpus) * seconds
    return {
        "seeds": seeds,
        "gpu=": queued,
        "options": " ".join(arguments),
        "jobs": len(jobs),
        "wall, s": wall,
        "ideal, s": ideal,
        "GPUs busy": busy / (gpus * (trained["end"].max() - trained["start"].min())),
        "first submission, s": jobs["submit"].min() - start,
        "submissions/s": (len(burst) - 1) / max(burst.max() - burst.min(), 1),
        "Snakemake CPU s/job": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(jobs),
        "slurmctld CPU s/job": controller / len(jobs),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--seconds", type=int, default=20, help="that a training sleeps")
    parser.add_argument("--rate", default="10/1s", help="submissions at most, as in --max-jobs-per-timespan")
    arguments = parser.parse_args()
    rate = ["--max-jobs-per-timespan", arguments.rate]
    gpus, seconds = arguments.gpus, arguments.seconds

    row = baseline_rate(gpus, 500)
    measure.report("slurm_submission", pd.DataFrame([row], index=pd.Index([f"{gpus} nodes"], name="cluster")))
    with tempfile.TemporaryDirectory() as folder:
        prepared = scheduler.checkout(Path(folder))
        target = ["--until", "whiten", "--configfile", *scheduler.config(prepared, 1)]
        scheduler.seconds([*scheduler.SNAKEMAKE, *target], prepared)
        rows = []
        for seeds in arguments.seeds:
            rows += [run_at_scale(prepared, gpus, seeds, seconds, queued, *rate) for queued in (gpus, 2 * gpus)]
            measure.report("cluster_growth", pd.DataFrame(rows).set_index("seeds"))


if __name__ == "__main__":
    main()
