"""What a program says where it ends, and what it suggests for a mistyped name."""

import pytest

from ablation import errors


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (errors.InputError("epochs: 0 is too few"), "error: epochs: 0 is too few"),
        (MemoryError("12 GB"), "error: out of memory: 12 GB"),
        (errors.Interrupted("SIGTERM in epoch 3"), "stopped by SIGTERM in epoch 3"),
        (OSError(28, "No space left on device", "a/b"), "error: No space left on device: a/b"),
        (OSError("a text alone"), "error: a text alone"),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_user_is_meant_to_see_is_one_line(error, shown):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        errors.run(main)
    assert ended.value.code == shown


def test_a_defect_keeps_its_traceback_and_a_result_is_returned():
    with pytest.raises(ZeroDivisionError):
        errors.run(lambda: 1 // 0)
    assert errors.run(lambda: 7) == 7


def test_the_nearest_name_is_suggested_whatever_its_case():
    names = ["Triangular", "inverse_time"]
    assert errors.nearest("triangle", names) == "did you mean 'Triangular'?"
    assert errors.nearest("INVERSE_TIM", names) == "did you mean 'inverse_time'?"
    assert errors.nearest("cosine", names) == ""
    assert errors.nearest("triangles", names, cutoff=0.99) == ""
    assert errors.nearest(12, [11, 123]) == "did you mean '123'?"


def test_what_is_allowed_is_listed_as_far_as_it_is_read():
    assert errors.suggestion("triangle", ["triangular", "x"]) == "did you mean 'triangular'? allowed: triangular, x"
    assert errors.suggestion("q", []) == "allowed: none yet"
    names = [f"m{number}" for number in range(61)]
    assert errors.suggestion("?", names[:60]) == f"allowed: {', '.join(names[:60])}"
    assert errors.suggestion("?", names) == f"allowed: {', '.join(names[:60])} and 1 more"
