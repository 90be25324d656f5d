"""How fast one core convolves in float32 and bfloat16: model 7's convolutions, their gradients, a matrix product.

python bench/convolutions.py
"""

import os
import time
from functools import partial

import measure
import pandas as pd

BATCH, KERNEL, MATRIX, ROUNDS, CALLS = 64, 3, 1024, 5, 10
CONVOLUTIONS = [(32, 3, 32), (30, 32, 64), (14, 64, 128), (12, 128, 128)]  # pixels a side, channels, filters


def operations(dtype):
    """Yield (name, GFLOP, function that computes it) of each operation in a dtype."""
    import tensorflow as tf

    def noise(*shape):
        return tf.cast(tf.random.normal(shape), dtype)

    matrix, same = noise(MATRIX, MATRIX), {"strides": [1, 1, 1, 1], "padding": "VALID"}
    yield "matrix product", 2 * MATRIX**3 / 1e9, partial(tf.matmul, matrix, matrix)
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
