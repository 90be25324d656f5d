"""What a job picks and why, and that nothing else decides what it computes."""

import json
import os
import subprocess
import sys

import pytest

from ablation.training import devices


@pytest.mark.parametrize(
    ("flags", "policy", "reason"),
    [
        ({"avx2", "amx_bf16", "avx512_bf16"}, "mixed_bfloat16", "auto: the CPU has amx_bf16 and avx512_bf16"),
        ({"avx512_bf16"}, "mixed_bfloat16", "auto: the CPU has avx512_bf16"),
        ({"avx2"}, "float32", "auto: the CPU has no instructions for bfloat16"),
    ],
)
def test_auto_goes_by_the_instructions_of_the_cpu(tensorflow, monkeypatch, flags, policy, reason):
    monkeypatch.setattr(devices, "cpu_flags", lambda: flags)
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
    monkeypatch.setattr(devices, "cpu_flags", lambda: flags)
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
