"""How busy the CPU is over whole epochs, validation included: CPU time / (wall time x threads).

python bench/epoch.py
"""

import argparse
import subprocess
import sys
import time

import measure
import numpy as np
import pandas as pd


def cpu_utilization(threads, images, epochs):
    """Train model 7 in this process; return the fraction for each epoch but the first, which compiles."""
    from ablation.training import devices

    devices.start_tensorflow("cpu", threads)
    import contender
    import keras

    from ablation.data.images import split
    from ablation.training import loop, networks

    spec = measure.study_spec("model7", epochs=epochs)
    keras.utils.set_random_seed(0)
    train_data, val_data = split(*contender.images_and_labels(images), spec, seed=0)
    model = networks.build_network(spec, train_data[0], 10)
    clocks = []
    loop.train(
        model,
        spec,
        train_data,
        val_data,
        seed=0,
        on_epoch=lambda epoch: clocks.append((time.process_time(), time.perf_counter())),
    )
    cpu, wall = np.diff(np.array(clocks), axis=0).T
    return cpu / wall / threads


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6000, help="a tenth of them validates")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--one", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(*cpu_utilization(arguments.one, arguments.images, arguments.epochs))
        return
    rows = []
    for threads in (1, 2):
        command = [sys.executable, *sys.argv, "--one", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        epochs = pd.Series(map(float, done.stdout.split()))
        rows.append({"threads": threads, "median": epochs.median(), "smallest": epochs.min(), "largest": epochs.max()})
    measure.report("busy_epochs", pd.DataFrame(rows).set_index("threads"))


if __name__ == "__main__":
    main()
