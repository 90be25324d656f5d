"""TensorFlow started as a job wants it: device, threads, determinism. Call before any Keras import."""

import logging
import os
from pathlib import Path

from ablation.errors import InputError
from ablation.training import gpus

# The best that oneDNN finds decides how it computes: its names, and what Linux calls what each needs first.
# Source: oneDNN, "CPU Dispatcher Control".
INSTRUCTION_SETS = {
    "AVX512_CORE_AMX": "amx_bf16",
    "AVX512_CORE_FP16": "avx512_fp16",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_VNNI": "avx512_vnni",
    "AVX512_CORE": "avx512bw",
    "AVX2_VNNI": "avx_vnni",
    "AVX2": "avx2",
    "AVX": "avx",
    "SSE41": "sse4_1",
}

# XLA of TensorFlow 2.21 fuses a convolution with its bias where no activation follows, as before a BatchNorm, into a
# call for which cuDNN 9.3 has nothing in float32: "Autotuner could not find any supported configs".
XLA_ON_GPU = "--xla_disable_hlo_passes=cudnn-fused-convolution-rewriter"

logger = logging.getLogger(__name__)


def start_tensorflow(device: str, threads: int, job: str = "", jobs_per_gpu: int = 1) -> str:
    """Start TensorFlow on `device` ("auto", "gpu", "cpu") with `threads` CPU threads.

    Thread counts are read by oneDNN, OpenMP and BLAS when they load, so this comes before
    anything imports Keras. float32 operations are not rounded to TensorFloat-32. On the CPU
    operations are deterministic; on a GPU they are not, since XLA has no deterministic gradient
    of a max-pool. Keras's defaults are its own, whatever the user's keras.json says.

    Unless `device` is "cpu", a GPU is leased until the process ends; `job` and `jobs_per_gpu` are as in `gpus.lease`.

    Returns the name of the device that TensorFlow will use, as a user would say it; of a CPU its threads, and on Linux
    its instruction set, one of INSTRUCTION_SETS.
    Raises InputError for "gpu" where TensorFlow finds none, and as `gpus.lease` does.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        lease = gpus.lease(job, jobs_per_gpu)
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {XLA_ON_GPU}".strip()
    os.environ["KERAS_BACKEND"] = "tensorflow"

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)  # gaps of one operation are filled by another
    tf.config.experimental.enable_tensor_float_32_execution(False)  # float32 means float32, on every GPU
    found = tf.config.list_physical_devices("GPU")
    for gpu in found:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not found:
        tf.config.experimental.enable_op_determinism()

    import keras

    keras.config.set_epsilon(1e-7)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")

    if found:
        return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU")
    if device != "cpu":
        lease.release()
        missing = f"TensorFlow {tf.__version__} found no GPU (expected {lease.description})"
        if device == "gpu":
            raise InputError(
                f"training.device is gpu, but {missing}; "
                "install it with CUDA ('make gpu'), or set training.device to cpu or auto"
            )
        logger.info("%s: falling back to the CPU: %s", job, missing)
    instructions = [name for name, flag in INSTRUCTION_SETS.items() if flag in cpuinfo("flags")][:1]
    return ", ".join(["CPU", f"{threads} thread{'s' if threads > 1 else ''}", *instructions])


def dtype_policy(precision: str) -> tuple[str, str]:
    """Return (Keras dtype policy, reason) for a precision: "float32", "mixed_bfloat16" or "auto".

    "auto" is mixed_bfloat16 on a GPU of compute capability 8.0 or more, on a CPU with AMX, and on one of AMD with
    AVX-512 instructions for bfloat16; float32 elsewhere. Intel's AVX-512 multiplies bfloat16 at half the rate of
    float32 (docs/performance.md). Call after `start_tensorflow`.
    """
    if precision != "auto":
        return precision, "as configured"
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    if found:
        capability = tf.config.experimental.get_device_details(found[0]).get("compute_capability", (0, 0))
        fast, reason = capability >= (8, 0), f"the GPU's compute capability is {'.'.join(map(str, capability))}"
    else:
        flags = cpuinfo("flags") & {"amx_bf16", "avx512_bf16"}
        fast, reason = bool(flags), f"the CPU has {' and '.join(sorted(flags)) or 'no instructions for bfloat16'}"
        if flags == {"avx512_bf16"} and "AuthenticAMD" not in cpuinfo("vendor_id"):
            fast, reason = False, "Intel's avx512_bf16 is slow"
    return ("mixed_bfloat16" if fast else "float32"), reason


def cpuinfo(field: str) -> set[str]:
    """Return the words that Linux reports of the CPU, such as its flags; empty on other systems."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return set(next((line.split(":")[1] for line in lines if line.startswith(field)), "").split())
