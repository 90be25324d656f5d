"""Predictions of several runs are put together only where they are of the same images."""

import numpy as np
import pytest

from ablation import files, predictions
from ablation.errors import InputError


def write(path, labels, predicted):
    files.write_npz(
        path,
        probabilities=np.eye(3, dtype=np.float16)[predicted],
        predicted=np.array(predicted),
        labels=np.array(labels),
    )
    return path


def test_runs_by_model_in_their_order(tmp_path):
    paths = [
        write(tmp_path / f"{run}.npz", [0, 1], predicted) for run, predicted in enumerate([[0, 1], [2, 2], [0, 2]])
    ]
    by_model, labels = predictions.read(paths, ["b", "a", "b"])
    assert list(by_model) == ["b", "a"]
    assert labels.tolist() == [0, 1]
    assert by_model["b"].predicted.tolist() == [[0, 1], [0, 2]]
    assert by_model["b"].probabilities.shape == (2, 2, 3)


def test_other_test_images_are_refused(tmp_path):
    paths = [write(tmp_path / "0.npz", [0, 1], [0, 1]), write(tmp_path / "1.npz", [0, 2], [0, 1])]
    with pytest.raises(InputError, match=r"1\.npz: is of other test images than .*0\.npz; delete both"):
        predictions.read(paths, ["a", "b"])
