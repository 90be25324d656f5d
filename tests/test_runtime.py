"""What a job says it picked, and why."""

import pytest

from ablation import runtime


@pytest.mark.parametrize(
    ("flags", "policy", "why"),
    [
        ({"avx2", "amx_bf16", "avx512_bf16"}, "mixed_bfloat16", "auto: the CPU has amx_bf16 and avx512_bf16"),
        ({"avx512_bf16"}, "mixed_bfloat16", "auto: the CPU has avx512_bf16"),
        ({"avx2"}, "float32", "auto: the CPU has no instructions for bfloat16"),
    ],
)
def test_auto_goes_by_the_instructions_of_the_cpu(tensorflow, monkeypatch, flags, policy, why):
    monkeypatch.setattr(runtime, "cpu_flags", lambda: flags)
    assert runtime.dtype_policy("auto") == (policy, why)


def test_a_precision_that_is_set_stays(tensorflow):
    assert runtime.dtype_policy("float32")[0] == "float32"
    assert runtime.dtype_policy("mixed_bfloat16")[0] == "mixed_bfloat16"


def test_threads_are_what_was_asked_for(tensorflow):
    assert tensorflow.config.threading.get_intra_op_parallelism_threads() == 1
