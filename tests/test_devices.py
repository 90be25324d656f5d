"""What a job picks and why, and that nothing else decides what it computes."""

import json
import os
import subprocess
import sys

import pytest

from ablation.training import devices

INTEL = "GenuineIntel"


@pytest.mark.parametrize(
    ("vendor", "flags", "policy", "reason"),
    [
        (INTEL, {"avx2", "amx_bf16", "avx512_bf16"}, "mixed_bfloat16", "the CPU has amx_bf16 and avx512_bf16"),
        (INTEL, {"avx2", "avx512_bf16"}, "float32", "Intel's avx512_bf16 is slow"),
        ("AuthenticAMD", {"avx2", "avx512_bf16"}, "mixed_bfloat16", "the CPU has avx512_bf16"),
        (INTEL, {"avx2"}, "float32", "the CPU has no instructions for bfloat16"),
    ],
)
def test_auto_goes_by_the_instructions_of_the_cpu(tensorflow, monkeypatch, vendor, flags, policy, reason):
    monkeypatch.setattr(devices, "cpuinfo", {"flags": flags, "vendor_id": {vendor}}.get)
    assert devices.dtype_policy("auto") == (policy, reason)


def test_a_precision_that_is_set_stays(tensorflow):
    assert devices.dtype_policy("float32")[0] == "float32"
    assert devices.dtype_policy("mixed_bfloat16")[0] == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"sse4_1", "avx", "avx2"}, "CPU, 1 thread, AVX2"),
        ({"avx2", "avx512bw", "avx512_vnni", "avx_vnni"}, "CPU, 1 thread, AVX512_CORE_VNNI"),
        (set(), "CPU, 1 thread"),
    ],
)
def test_a_cpu_is_recorded_with_its_instruction_set(tensorflow, monkeypatch, flags, name):
    monkeypatch.setattr(devices, "cpuinfo", {"flags": flags}.get)
    assert devices.start_tensorflow("cpu", 1) == name


def test_threads_are_as_requested(tensorflow):
    assert tensorflow.config.threading.get_intra_op_parallelism_threads() == 1


def test_operations_are_deterministic_and_float32_is_not_rounded(tensorflow):
    from tensorflow.python.framework.config import is_op_determinism_enabled

    assert is_op_determinism_enabled()
    assert not tensorflow.config.experimental.tensor_float_32_execution_enabled()


DEFAULTS = """
from ablation.training import devices

devices.start_tensorflow("cpu", 1)
import keras

layer = keras.layers.Conv2D(1, 1)
print(keras.config.epsilon(), keras.config.floatx(), layer.data_format, layer.dtype_policy.name)
"""


def test_the_user_s_keras_json_decides_nothing(tmp_path):
    config = {"epsilon": 1e-3, "floatx": "float16", "image_data_format": "channels_first", "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", DEFAULTS]
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1e-07", "float32", "channels_last", "float32"]


ON_GPU = """
import os
from ablation.training import devices

print(devices.start_tensorflow("{device}", 1).split(",")[0])
import tensorflow as tf

images, kernel = tf.ones([2, 8, 8, 3]), tf.ones([3, 3, 3, 4])
convolve = tf.function(lambda: tf.nn.conv2d(images, kernel, 1, "VALID") + tf.ones([4]), jit_compile=True)
print(float(convolve()[0, 0, 0, 0]), os.environ.get("XLA_FLAGS"))
"""


@pytest.mark.parametrize(("device", "flags"), [("cpu", "None"), ("auto", devices.XLA_ON_GPU)])
def test_a_convolution_is_not_fused_with_its_bias_alone_on_a_gpu(device, flags):
    """Which fails there; here XLA takes the flag."""
    command = [sys.executable, "-c", ON_GPU.replace("{device}", device)]
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-3:] == ["CPU", "28.0", flags]


@pytest.fixture
def start(tensorflow, monkeypatch):
    """A function that starts TensorFlow on a device and finds GPUs with these details; and what it did on the way."""
    did = []

    class Lease:
        description = "an NVIDIA GPU"

        def release(self):
            did.append("released")

    experimental = tensorflow.config.experimental
    monkeypatch.setattr(devices.gpus, "lease", lambda *given: did.append(given) or Lease())
    monkeypatch.setattr(experimental, "set_memory_growth", lambda *given: did.append(given))
    monkeypatch.setattr(experimental, "enable_op_determinism", lambda: did.append("deterministic"))
    for name in ("XLA_FLAGS", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "--mine" if name == "XLA_FLAGS" else "7")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.setenv("KERAS_BACKEND", "torch")

    def run(device, *found):
        details = {f"gpu{number}": each for number, each in enumerate(found)}
        monkeypatch.setattr(tensorflow.config, "list_physical_devices", lambda kind: list(details) * (kind == "GPU"))
        monkeypatch.setattr(experimental, "get_device_details", details.get)
        did.clear()
        return devices.start_tensorflow(device, 1, "model5 seed 1", 2), did

    return run


def test_a_job_on_the_cpu_leases_nothing(start, tensorflow):
    name, did = start("cpu")
    assert name.startswith("CPU, 1 thread")
    assert did == ["deterministic"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    assert os.environ["XLA_FLAGS"] == "--mine"
    assert (os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["KERAS_BACKEND"]) == ("2", "tensorflow")
    assert {os.environ[f"{library}_NUM_THREADS"] for library in ("OMP", "MKL", "OPENBLAS")} == {"1"}
    assert tensorflow.config.threading.get_inter_op_parallelism_threads() == 1


@pytest.mark.parametrize(
    ("details", "name", "policy"),
    [
        ({"device_name": "NVIDIA A100", "compute_capability": (8, 0)}, "NVIDIA A100", "mixed_bfloat16: 8.0"),
        ({"device_name": "NVIDIA T4", "compute_capability": (7, 5)}, "NVIDIA T4", "float32: 7.5"),
        ({}, "GPU", "float32: 0.0"),
    ],
)
def test_a_job_on_a_gpu_takes_the_first(start, details, name, policy):
    found, did = start("gpu", details, {"device_name": "another"})
    assert found == name
    assert did == [("model5 seed 1", 2), ("gpu0", True), ("gpu1", True)]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"  # the lease's own
    assert os.environ["XLA_FLAGS"] == f"--mine {devices.XLA_ON_GPU}"
    dtype, capability = policy.split(": ")
    assert devices.dtype_policy("auto") == (dtype, f"the GPU's compute capability is {capability}")


def test_a_gpu_that_tensorflow_does_not_find_is_given_back(start, caplog):
    caplog.set_level("INFO", logger="ablation")
    name, did = start("auto")
    assert name.startswith("CPU, 1 thread")
    assert did == [("model5 seed 1", 2), "deterministic", "released"]
    assert "model5 seed 1: falling back to the CPU: TensorFlow " in caplog.text
    assert "found no GPU (expected an NVIDIA GPU)" in caplog.text
    with pytest.raises(devices.InputError, match="training.device is gpu, but TensorFlow .* found no GPU .*'make gpu'"):
        start("gpu")


def test_flags_are_those_of_linux_where_it_is_linux(monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(devices, "Path", {"/proc/cpuinfo": cpuinfo}.get)
    assert devices.cpuinfo("flags") == set()
    cpuinfo.write_text("vendor_id\t: Me\nflags\t\t: fpu avx2\nbugs\t: x\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert devices.cpuinfo("flags") == {"fpu", "avx2"}
    assert devices.cpuinfo("vendor_id") == {"Me"}
    cpuinfo.write_text("Features\t: neon\n")
    assert devices.cpuinfo("flags") == set()


def test_the_best_instruction_set_that_a_cpu_has_names_it():
    """oneDNN's own order, and what Linux calls the first instructions that each needs beyond the next."""
    assert list(devices.INSTRUCTION_SETS.items()) == [
        ("AVX512_CORE_AMX", "amx_bf16"),
        ("AVX512_CORE_FP16", "avx512_fp16"),
        ("AVX512_CORE_BF16", "avx512_bf16"),
        ("AVX512_CORE_VNNI", "avx512_vnni"),
        ("AVX512_CORE", "avx512bw"),
        ("AVX2_VNNI", "avx_vnni"),
        ("AVX2", "avx2"),
        ("AVX", "avx"),
        ("SSE41", "sse4_1"),
    ]
