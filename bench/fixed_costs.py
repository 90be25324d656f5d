"""What a training job spends besides training: seconds of each phase, and of the jobs and the scheduler of the demo.

python bench/fixed_costs.py --data results/data/{key}/zca.npz
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import pandas as pd


def phases(data):
    """Go through a training job of model 7 phase by phase in this process; yield (phase, seconds)."""
    spec = measure.study_spec("model7")
    clock = time.perf_counter()

    def lap():
        nonlocal clock
        seconds, clock = time.perf_counter() - clock, time.perf_counter()
        return seconds

    from ablation import files
    from ablation.training import devices

    devices.start_tensorflow("cpu", 1)
    yield "start TensorFlow and Keras", lap()
    import keras
    import tensorflow as tf

    from ablation.data.images import split
    from ablation.training import loop, networks

    yield "import the library", lap()
    images, labels = files.read_npz(data, "x_train", "y_train")
    yield "read the training images", lap()
    (images, labels), _ = split(images, labels, spec, seed=0)
    images, labels = tf.constant(images), tf.constant(labels, tf.int32)
    yield "move them to the device", lap()
    keras.utils.set_random_seed(0)
    model = networks.build_network(spec, images, 10)
    yield "build the network", lap()
    train_steps = loop.make_train_steps(model, spec, None, images, labels, jit_compile=False)
    train_steps(tf.zeros([1, 64, 4], tf.int32))
    first = lap()
    train_steps(tf.zeros([1, 64, 4], tf.int32))
    yield "trace and take the first step", first - lap()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
    yield "save the model", lap()


def demo():
    """Run the demo again, one job at a time; return the seconds of its jobs, and those outside of all jobs."""
    results = measure.ROOT / "results/digits"
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "--cores", "1", "--forceall", "--configfile", "config/digits.yaml"]
    start = time.perf_counter()
    subprocess.run(command, cwd=measure.ROOT, capture_output=True, check=True)
    wall = time.perf_counter() - start
    jobs = {path: pd.read_csv(path, sep="\t")["s"].iloc[0] for path in results.glob("benchmarks/**/*.tsv")}
    histories = [pd.read_csv(path)["seconds"].sum() for path in results.glob("trainings/*/*/history.csv")]
    by_rule = pd.Series(jobs).groupby(lambda path: path.relative_to(results / "benchmarks").parts[0].split(".")[0])
    table = by_rule.agg(["count", "sum"]).rename(columns={"count": "jobs", "sum": "seconds"})
    table.loc["the epochs of train"] = [len(histories), sum(histories)]
    table.loc["outside of all jobs"] = [len(jobs), wall - sum(jobs.values())]
    return table.rename_axis("rule")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        for phase, seconds in phases(arguments.data):
            print(f"{phase}\t{seconds}")
        return
    rounds = []
    for _ in range(arguments.rounds):
        command = [sys.executable, *sys.argv, "--one"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rounds.append(
            {phase: float(seconds) for phase, seconds in (line.split("\t") for line in done.stdout.splitlines())}
        )
    measure.report("fixed_costs", pd.DataFrame(rounds).median().rename_axis("phase").to_frame("seconds"))
    measure.report("demo_jobs", demo())


if __name__ == "__main__":
    main()
