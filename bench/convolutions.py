"""How fast one core convolves in float32 and bfloat16: model 7's convolutions, their gradients, products of matrices.

python bench/convolutions.py
"""

import os
import subprocess
import time
from functools import partial

import measure
import pandas as pd

BATCH, KERNEL, MATRICES, ROUNDS, CALLS = 64, 3, (1024, 4096), 5, 10
CONVOLUTIONS = [(32, 3, 32), (30, 32, 64), (14, 64, 128), (12, 128, 128)]  # pixels a side, channels, filters
PRODUCT_BY_PYTORCH = """
import sys, time, torch
torch.set_num_threads(1)
matrix = torch.randn(int(sys.argv[1]), int(sys.argv[1])).to(getattr(torch, sys.argv[2]))
for _ in range(2):
    start = time.perf_counter()
    matrix @ matrix
    seconds = time.perf_counter() - start
print(seconds)
"""


def operations(dtype):
    """Yield (name, GFLOP, function that computes it) of each operation in a dtype."""
    import tensorflow as tf

    def noise(*shape):
        return tf.cast(tf.random.normal(shape), dtype)

    for size in MATRICES:
        matrix = noise(size, size)
        yield f"product of matrices, {size}", 2 * size**3 / 1e9, partial(tf.matmul, matrix, matrix)
    same = {"strides": [1, 1, 1, 1], "padding": "VALID"}
    for side, channels, filters in CONVOLUTIONS:
        x, kernel = noise(BATCH, side, side, channels), noise(KERNEL, KERNEL, channels, filters)
        y = noise(BATCH, side - KERNEL + 1, side - KERNEL + 1, filters)
        forward = partial(tf.raw_ops.Conv2D, input=x, filter=kernel)
        to_kernel = partial(tf.raw_ops.Conv2DBackpropFilter, input=x, filter_sizes=kernel.shape, out_backprop=y)
        to_image = partial(tf.raw_ops.Conv2DBackpropInput, input_sizes=x.shape, filter=kernel, out_backprop=y)
        steps = {"forward": forward, "gradient of the kernel": to_kernel, "gradient of the image": to_image}
        for step, function in steps.items():
            work = 2 * y.shape.num_elements() * KERNEL**2 * channels / 1e9
            yield f"{channels} to {filters} channels, {step}", work, partial(function, **same)


def seconds_of(function):
    """Return a function that calls one, as a graph, several times and returns the seconds of a call."""
    import tensorflow as tf

    graph = tf.function(function)
    graph()

    def timed():
        start = time.perf_counter()
        for _ in range(CALLS):
            result = graph()
        result.numpy()
        return (time.perf_counter() - start) / CALLS

    return timed


def seconds_of_pytorch(size, dtype):
    """Return the seconds of a product of two matrices by PyTorch, in a process of its own, which this core runs."""
    command = [measure.PEERS_PYTHON, "-c", PRODUCT_BY_PYTORCH, str(size), dtype]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main():
    os.sched_setaffinity(0, measure.CPUS[:1])
    from ablation.training import devices

    devices.start_tensorflow("cpu", 1)
    import keras

    keras.utils.set_random_seed(0)
    work, contenders = {}, {}
    for dtype in ("float32", "bfloat16"):
        for name, gflop, function in operations(dtype):
            work[name], contenders[name, dtype] = gflop, seconds_of(function)
        for size in MATRICES:
            name = f"product of matrices, {size}, by PyTorch"
            work[name], contenders[name, dtype] = 2 * size**3 / 1e9, partial(seconds_of_pytorch, size, dtype)
    seconds = measure.interleave(contenders, ROUNDS)
    rows = {
        name: {
            "float32, GFLOP/s": gflop / seconds[name, "float32"].median(),
            "bfloat16, GFLOP/s": gflop / seconds[name, "bfloat16"].median(),
            **measure.ratios(seconds[name, "float32"], seconds[name, "bfloat16"]),
        }
        for name, gflop in work.items()
    }
    measure.report("convolutions", pd.DataFrame(rows).T.rename_axis("operation"))


if __name__ == "__main__":
    main()
