"""TensorFlow started as a job wants it: device, threads, determinism. Call before any Keras import."""

import os
from pathlib import Path

from ablation import gpus
from ablation.errors import InputError


def start_tensorflow(device, threads, what="", jobs_per_gpu=1, say=print):
    """Start TensorFlow on `device` ("auto", "gpu", "cpu") with `threads` CPU threads.

    Thread counts are read by oneDNN, OpenMP and BLAS when they load, so this comes before
    anything imports Keras. float32 operations are not rounded to TensorFloat-32. On the CPU
    operations are deterministic; on a GPU they are not, since XLA has no deterministic gradient
    of a max-pool.

    Unless `device` is "cpu", a GPU is leased until the process ends; `what`, `jobs_per_gpu` and `say`
    are as in `gpus.lease`.

    Returns the name of the device that TensorFlow will use, as a user would say it.
    Raises InputError for "gpu" where TensorFlow sees none, and as `gpus.lease` does.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        lease = gpus.lease(what, jobs_per_gpu, say)
    os.environ["KERAS_BACKEND"] = "tensorflow"

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)  # gaps of one operation are filled by another
    tf.config.experimental.enable_tensor_float_32_execution(False)  # float32 means float32, on every GPU
    seen = tf.config.list_physical_devices("GPU")
    if seen:
        for gpu in seen:
            tf.config.experimental.set_memory_growth(gpu, True)
        return tf.config.experimental.get_device_details(seen[0]).get("device_name", "GPU")
    tf.config.experimental.enable_op_determinism()
    if device != "cpu":
        lease.give_back()
        unseen = f"TensorFlow {tf.__version__} sees no GPU, looking for {lease.found}"
        if device == "gpu":
            raise InputError(
                f"training.device is gpu, but {unseen}; "
                "install it with CUDA ('make gpu'), or set training.device to cpu or auto"
            )
        say(f"{what}: training.device is auto: on the CPU, as {unseen}")
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def dtype_policy(precision):
    """Return (Keras dtype policy, why) for a precision: "float32", "mixed_bfloat16" or "auto".

    "auto" is mixed_bfloat16 on a GPU of compute capability 8.0 or more, and on a CPU with AMX or
    AVX-512 instructions for bfloat16; float32 elsewhere. Call after `start_tensorflow`.
    """
    if precision != "auto":
        return precision, "as the model's settings say"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        fast, why = capability >= (8, 0), f"the GPU's compute capability is {'.'.join(map(str, capability))}"
    else:
        found = cpu_flags() & {"amx_bf16", "avx512_bf16"}
        fast, why = bool(found), f"the CPU has {' and '.join(sorted(found)) or 'no instructions for bfloat16'}"
    return ("mixed_bfloat16" if fast else "float32"), f"auto: {why}"


def cpu_flags():
    """Return the instruction sets that Linux reports of the CPU; empty on other systems."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())
