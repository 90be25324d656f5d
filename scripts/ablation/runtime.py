"""TensorFlow started as a job wants it: device, threads, determinism. Call before any Keras import."""

import os

from ablation.errors import InputError


def start_tensorflow(device, threads):
    """Start TensorFlow on `device` ("auto", "gpu", "cpu") with `threads` CPU threads.

    Thread counts are read by oneDNN, OpenMP and BLAS when they load, so this comes before
    anything imports Keras. Operations are deterministic from here on, and float32 ones are not
    rounded to TensorFloat-32.

    Returns the name of the device that TensorFlow will use, as a user would say it.
    Raises InputError for "gpu" where TensorFlow sees none.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["KERAS_BACKEND"] = "tensorflow"

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)  # float32 means float32, on every GPU
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    if device == "gpu":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise InputError(
            f"training.device is gpu, but TensorFlow {tf.__version__} sees no GPU (CUDA_VISIBLE_DEVICES: {visible}); "
            "install it with CUDA ('make gpu'), or set training.device to cpu or auto"
        )
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
