"""One way to train a network, in a process of its own: an epoch for every line on stdin, its seconds on stdout.

contender.py {ours|keras|torch} {float32|mixed_bfloat16} CPUS IMAGES SPEC_JSON

CPUS: the number of one for each thread, as 0,1
"""

import itertools
import json
import os
import sys
import time
from types import SimpleNamespace

import numpy as np


def images_and_labels(n):
    """Return n random images and labels: what they show costs nothing."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, n)


def this_workflow(spec, precision, threads, n):
    """Return a function that trains for an epoch as the workflow does, and its seconds."""
    from ablation.settings.specs import ModelSpec
    from ablation.training import devices

    spec = ModelSpec(vars(spec))
    devices.start_tensorflow("cpu", threads)
    import keras
    import tensorflow as tf

    from ablation.training import loop, networks
    from ablation.training.optimizers.lookahead import Lookahead

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    images, labels = images_and_labels(n)
    model = networks.build_network(spec, images, 10)
    lookahead = Lookahead(model.variables, spec.lookahead, 10_000) if spec.lookahead else None
    train_steps = loop.make_train_steps(
        model, spec, lookahead, tf.constant(images), tf.constant(labels, tf.int32), jit_compile=False
    )
    epochs = itertools.count(1)

    def epoch():
        start = time.perf_counter()
        for batches in loop.chunk_batches(loop.epoch_order(spec, 0, next(epochs), n), spec.batch_size):
            float(train_steps(batches)[0])
        return time.perf_counter() - start

    return epoch


def keras(spec, precision, threads, n):
    """Return a function that trains for an epoch by model.fit on arrays, and its seconds."""
    set_threads(threads)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import keras
    import peers

    keras.config.set_dtype_policy(precision)
    model = peers.keras_model(spec)
    images, labels = images_and_labels(n)
    seconds = []

    class Clock(keras.callbacks.Callback):
        """Times the epoch itself: what fit does before and after it costs only once in a real run."""

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.start)

    def epoch():
        model.fit(images, labels, batch_size=spec.batch_size, epochs=1, verbose=0, callbacks=[Clock()])
        return seconds[-1]

    return epoch


def torch(spec, precision, threads, n):
    """Return a function that trains for an epoch in PyTorch, eager and channels_last, and its seconds.

    Without augmentation, Lookahead, the triangular schedule and bias_factor, whatever the spec says: this workflow is
    the only one that pays for them.
    """
    set_threads(threads)
    import peers
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = peers.torch_model(spec)
    if spec.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            lr=spec.learning_rate,
            momentum=spec.momentum,
            weight_decay=spec.weight_decay,
            nesterov=True,
            foreach=True,
        )
    elif spec.optimizer == "adadelta":
        optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)
    else:
        sys.exit(f"error: no optimizer {spec.optimizer} in PyTorch here")
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + (spec.decay or 0) * step))
    images, labels = images_and_labels(n)
    images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(labels)

    def epoch():
        start = time.perf_counter()
        model.train()
        for batch in torch.randperm(n).split(spec.batch_size):
            x = images[batch].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32"):
                logits = model(x)
            loss = torch.nn.functional.cross_entropy(
                logits.float(), labels[batch], label_smoothing=spec.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return time.perf_counter() - start

    return epoch


def set_threads(threads):
    """Set what the libraries read when they load."""
    os.environ.update(
        OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), TF_CPP_MIN_LOG_LEVEL="2", KERAS_BACKEND="tensorflow"
    )


def main():
    way, precision, cpus, n, spec = sys.argv[1:]
    cpus = [int(cpu) for cpu in cpus.split(",")]
    os.sched_setaffinity(0, cpus)  # as many as threads, whatever it starts
    contender = {"ours": this_workflow, "keras": keras, "torch": torch}[way]
    epoch = contender(SimpleNamespace(**json.loads(spec)), precision, len(cpus), int(n))
    epoch()  # compile, warm up
    print("ready", flush=True)
    for _ in sys.stdin:
        cpu = time.process_time()
        seconds = epoch()
        print(seconds, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
