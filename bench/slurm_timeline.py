"""Where and when each job of the study of the digits ran, on a Slurm of two nodes with two GPUs each: a figure.

python bench/slurm_timeline.py --output docs/slurm_timeline.png
"""

import argparse
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import measure
import pandas as pd
import scheduler
import yaml
from matplotlib.figure import Figure

sys.path.insert(0, str(measure.ROOT / "tests"))
from slurm_cluster import Cluster, Run, Watch

COLOURS = {"prepare": "#8c8c8c", "whiten": "#5a5a5a", "train": "#3f6fb0", "evaluate": "#d98032"}


def run_study(epochs):
    """Run the study on the cluster and return its jobs: rule, model, node, device; start and end in s."""
    with tempfile.TemporaryDirectory() as folder, Cluster({"node1": 2, "node2": 2}) as cluster, Watch(cluster) as watch:
        folder = scheduler.checkout(Path(folder))
        (folder / "short.yaml").write_text(
            yaml.safe_dump({"limits": {"epochs": epochs}, "training": {"device": "auto"}})
        )
        with Run(cluster, folder, "--configfile", "config/digits.yaml", "short.yaml") as run:
            run.finish(1800)
        listed = cluster.run("squeue", "-h", "-t", "all", "-o", "%i|%k|%N|%S|%e").splitlines()
    devices = {each["job"]: each["device"] for each in watch.seen.values()}
    rows = []
    for line in listed:
        job, comment, node, start, end = line.split("|")
        rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
        start, end = (datetime.fromisoformat(time).timestamp() for time in (start, end))
        model = wildcards.removesuffix("_1")
        rows.append({"job": int(job), "rule": rule, "model": model, "node": node, "start": start, "end": end})
        rows[-1]["device"] = f"GPU {devices[job]}" if job in devices else "CPU"
    jobs = pd.DataFrame(rows).sort_values("start").set_index("job")
    jobs[["start", "end"]] -= jobs["start"].min()
    return jobs


def lanes(jobs):
    """Return the lane of each job, a device of a node; jobs without one lie beside each other where they overlap."""
    ends, lane = {}, {}
    for job, row in jobs.sort_values("start").iterrows():
        number = next(n for n in range(len(jobs)) if ends.get((row.node, row.device, n), 0) <= row.start)
        ends[row.node, row.device, number] = row.end
        lane[job] = (row.node, row.device, number)
    return lane


def draw(jobs, title, path):
    lane = lanes(jobs)
    order = sorted(set(lane.values()), key=lambda key: (key[0], key[1] == "CPU", key[1], key[2]))
    figure = Figure(figsize=(9, 0.3 * len(order) + 1.3), layout="constrained")
    axes = figure.subplots()
    for job, row in jobs.iterrows():
        y = order.index(lane[job])
        axes.barh(y, row.end - row.start, left=row.start, color=COLOURS[row.rule], edgecolor="white")
        axes.text(
            (row.start + row.end) / 2, y, row.model or row.rule, ha="center", va="center", fontsize=6, color="white"
        )
    axes.set_yticks(range(len(order)), [f"{node}, {device}" for node, device, _ in order], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the first job's start")
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [axes.barh(0, 0, color=colour, label=rule) for rule, colour in COLOURS.items()]
    axes.legend(handles=handles, ncols=4, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--output", default="docs/slurm_timeline.png")
    arguments = parser.parse_args()
    jobs = run_study(arguments.epochs)
    measure.report("slurm_timeline", jobs)
    draw(jobs, f"Seven models of the digits, {arguments.epochs} epochs", arguments.output)


if __name__ == "__main__":
    main()
