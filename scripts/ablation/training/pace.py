"""How fast networks train on this machine: a few steps of each, timed."""

import math
from collections.abc import Iterator

import numpy as np

from ablation import logs
from ablation.data.images import split_point
from ablation.settings.specs import ModelSpec
from ablation.training import devices

STEPS, FEWEST_STEPS = 16, 4  # of a short epoch
IMAGES = 2048  # of a short epoch, unless that is fewer than FEWEST_STEPS
EPOCHS = 4  # short ones


def time_trainings(
    specs: dict[str, ModelSpec],
    images: int,
    shape: tuple[int, ...],
    classes: int,
    *,
    device: str,
    threads: int,
    jobs_per_gpu: int,
) -> Iterator[tuple[str, dict[str, float]]]:
    """Time short epochs of each spec on random images and yield its name, with a dict of `seconds` and `bytes`.

    images: the number of training and validation images of an epoch; shape: height, width, channels. seconds: of a
    whole epoch, validation included: those of the fastest short epoch, the one that other work slowed least, per image.
    bytes: of the model's weights, float32.

    Raises InputError as `devices.start_tensorflow`, `networks.build_network` and `loop.train` do.
    """
    with logs.without_chatter():
        devices.start_tensorflow(device, threads, "the timing", jobs_per_gpu)
        from ablation.training import loop, networks

    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # every network is a function that is traced once more
    random = np.random.default_rng(0)
    for name, spec in specs.items():
        steps = max(min(STEPS, IMAGES // spec.batch_size), FEWEST_STEPS)
        n = min(images, math.ceil(steps * spec.batch_size / (1 - spec.validation_split)))
        x, y = random.random((n, *shape), dtype=np.float32), np.arange(n) % classes
        at = split_point(n, spec.validation_split)
        short = spec.replace(epochs=EPOCHS, lookahead=0)
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(devices.dtype_policy(spec.precision)[0])
        with logs.without_chatter():
            model = networks.build_network(short, x[:at], classes)
            epochs = loop.train(model, short, (x[:at], y[:at]), (x[at:], y[at:]), 0, lambda epoch: None)
        seconds = min(epoch.seconds for epoch in epochs)
        yield name, {"seconds": seconds * images / n, "bytes": 4 * model.count_params()}
