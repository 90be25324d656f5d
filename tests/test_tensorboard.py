"""Curves for TensorBoard: each step once, whatever came before; and no number is another for it."""

import numpy as np
import pytest

from ablation.errors import InputError


def steps_in(folder, tensorflow):
    """Return (tag, step, value) of all event files of a folder, in order of tags and then as written."""
    found = []
    for path in folder.glob("events.out.tfevents.*"):
        for record in tensorflow.data.TFRecordDataset(str(path)):
            event = tensorflow.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name in ("scalars", "")
                found.append((value.tag, event.step, float(tensorflow.make_ndarray(value.tensor))))
    return sorted(found, key=lambda entry: entry[0])


def row(epoch, val_loss=0.5):
    return {"epoch": epoch, "loss": 0.1 * epoch, "val_loss": val_loss, "seconds": 2.0, "penalty": None}


def test_each_step_is_there_once_after_a_kill_and_a_resumption(tensorflow, tmp_path):
    from ablation.training.tensorboard import Curves

    tmp_path /= "tensorboard/m/seed1"
    killed = Curves(tmp_path, images=100)
    for epoch in (1, 2, 3):  # the third is not in the saved state
        killed.write(row(epoch), None)
    assert [step for tag, step, _ in steps_in(tmp_path, tensorflow) if tag == "loss"] == [1, 2, 3]  # without an end
    resumed = Curves(tmp_path, images=100)
    for epoch in (3, 4):
        resumed.write(row(epoch), {"history": [row(1), row(2)]})
    found = steps_in(tmp_path, tensorflow)
    assert {tag for tag, _, _ in found} == {"loss", "val_loss", "images_per_second"}
    for tag in ("loss", "val_loss", "images_per_second"):
        assert [step for name, step, _ in found if name == tag] == [1, 2, 3, 4]
    assert [value for tag, _, value in found if tag == "loss"] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert {value for tag, _, value in found if tag == "images_per_second"} == {50}


@pytest.mark.parametrize("file", ["m", "m/seed1"])
def test_a_file_in_the_way_is_one_line_before_the_training(file, tensorflow, tmp_path):
    from ablation.training.tensorboard import Curves

    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    with pytest.raises(InputError, match="m/seed1: can't be a folder, since a file is in its way; move that"):
        Curves(tmp_path / "m/seed1", 10)


def test_another_training_of_the_name_begins_anew(tensorflow, tmp_path):
    from ablation.training.tensorboard import Curves

    Curves(tmp_path, 100).write(row(7), None)
    (tmp_path / "notes.txt").write_text("of the user")
    Curves(tmp_path, 100).write(row(1, val_loss=np.nan), None)
    assert [(tag, step) for tag, step, _ in steps_in(tmp_path, tensorflow)] == [("images_per_second", 1), ("loss", 1)]
    assert (tmp_path / "notes.txt").exists()


def test_a_checkpoint_tells_what_was_restored(tensorflow, tmp_path):
    from ablation.training.checkpoint import Checkpoint

    with Checkpoint(tmp_path / "checkpoint.npz", "key", 1) as state:
        assert state.restored is None
        state.save([], {"history": [row(1)]})
    with Checkpoint(tmp_path / "checkpoint.npz", "key", 1) as state:
        assert state.restore([]) == state.restored == {"history": [row(1)]}
