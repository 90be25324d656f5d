"""Is accuracy paid for speed? Test accuracy of model 6 over seeds: plain Keras, ours, ours in bfloat16.

python bench/accuracy.py --data results/data/{key}/zca.npz
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import measure
import numpy as np
import pandas as pd

WAYS = {
    "plain Keras, float32": ("keras", "float32"),
    "ours, float32": ("ours", "float32"),
    "ours, mixed_bfloat16": ("ours", "mixed_bfloat16"),
}


def train_and_test(data, way, precision, seed, images, epochs):
    """Train model 6 on the first `images` training images and return its accuracy on all test images."""
    from ablation import files
    from ablation.training import devices

    devices.start_tensorflow("cpu", 1)
    import keras
    import peers

    from ablation.data.images import split
    from ablation.training import evaluation, loop, networks

    x_train, y_train, x_test, y_test = files.read_npz(data, "x_train", "y_train", "x_test", "y_test")
    x_train, y_train = x_train[:images].copy(), y_train[:images]
    spec = measure.study_spec("model6", epochs=epochs)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    if way == "ours":
        train_data, val_data = split(x_train, y_train, spec, seed)
        model = networks.build_network(spec, train_data[0], 10)
        loop.train(model, spec, train_data, val_data, seed, on_epoch=lambda epoch: None)
    else:
        model = peers.keras_model(spec)
        options = {"batch_size": spec.batch_size, "epochs": epochs, "validation_split": spec.validation_split}
        model.fit(x_train, y_train, **options, verbose=0)
    return evaluation.loss_and_accuracy(evaluation.make_predict_fn(model)(x_test), y_test)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=2, help="runs side by side, one thread each")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "PRECISION", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        way, precision, seed = arguments.one
        print(train_and_test(arguments.data, way, precision, int(seed), arguments.images, arguments.epochs))
        return

    def run(job):
        name, seed = job
        command = [sys.executable, *sys.argv, "--one", *WAYS[name], str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        accuracy = float(done.stdout.split()[-1])
        print(f"{name}, seed {seed}: {accuracy:.4f}", flush=True)
        return {"way": name, "seed": seed, "accuracy": accuracy}

    jobs = [(name, seed) for seed in range(1, arguments.seeds + 1) for name in WAYS]
    with ThreadPoolExecutor(arguments.at_once) as pool:
        runs = pd.DataFrame(list(pool.map(run, jobs)))
    table = runs.pivot(index="way", columns="seed", values="accuracy").loc[list(WAYS)]
    summary = pd.DataFrame({"mean": table.mean(axis=1), "sd": table.std(axis=1)})
    measure.report("accuracy", table.join(summary))
    spread = np.sqrt((table.std(axis=1) ** 2).mean())
    print(f"largest difference of means {np.ptp(table.mean(axis=1)):.4f}, standard deviation over seeds {spread:.4f}")


if __name__ == "__main__":
    main()
