"""Everything that decides a result is in its key, and nothing else is."""

import ast
import copy
import json
import os

import pytest

from ablation import files, keys, plan
from ablation.errors import InputError
from ablation.report.outputs import Outputs
from ablation.settings import check

CONFIG = {
    "dataset": {"name": "digits"},
    "models": {
        "a": {},
        "b": {"batch_normalization": "before_relu"},
        "raw": {"input": "raw", "schedule": "triangular", "optimizer": "sgd", "decay": None},
    },
    "seeds": [1, 2],
}
del CONFIG["models"]["raw"]["decay"]


def planned(schema, folder, **changes):
    """Return the plan of the config above with sections replaced."""
    config = check.validate_and_fill(copy.deepcopy(CONFIG) | changes, schema)
    return plan.Plan(config, schema, folder, folder / "digests.json")


def test_an_order_of_entries_is_no_content():
    assert keys.key_of({"a": 1, "b": [1, 2]}) == keys.key_of({"b": [1, 2], "a": 1})
    assert keys.key_of({"a": 1}) != keys.key_of({"a": 2})
    assert len(keys.key_of({})) == 16


TRAINED_WITH = {
    "dropout": {"models": {"a": {"dropout": [0.1, 0.2, 0.3]}}},
    "epochs": {"models": {"a": {"epochs": 3}}},
    "a limit of epochs": {"limits": {"epochs": 3}, "models": {"a": {}}},
    "a limit of training images": {"limits": {"train_images": 300}, "models": {"a": {}}},
    "device": {"training": {"device": "cpu"}, "models": {"a": {}}},
    "epsilon": {"whitening": {"epsilon": 0.1}, "models": {"a": {}}},
    "what the whitening is fitted on": {"whitening": {"fit_on": "train"}, "models": {"a": {}}},
    "the shuffle of the images": {"dataset": {"name": "digits", "shuffle_seed": 1}, "models": {"a": {}}},
    "the archive": {"dataset": {"name": "cifar10"}, "download": {"sha256": "0" * 64}, "models": {"a": {}}},
    "raw pixels": {"models": {"a": {"input": "raw"}}},
    "precision": {"models": {"a": {"precision": "auto"}}},
    "flips": {"models": {"a": {"flip": "random"}}},
    "a default of all models": {"defaults": {"batch_size": 32}, "models": {"a": {}}},
}


@pytest.mark.parametrize("what", TRAINED_WITH)
def test_what_decides_a_training_is_in_its_key(schema, tmp_path, what):
    before = planned(schema, tmp_path, models={"a": {}})
    after = planned(schema, tmp_path, **TRAINED_WITH[what])
    assert after.training_keys["a"] != before.training_keys["a"]
    assert after.study["evaluations"]["a"]["1"] != before.study["evaluations"]["a"]["1"]


TRAINED_ALIKE = {
    "the limit of test images": {"limits": {"test_images": 30}},
    "a title": {"title": "x"},
    "threads": {"training": {"threads": 2}},
    "checkpoints": {"training": {"checkpoint_epochs": 7, "jobs_per_gpu": 3, "log_to": ["tensorboard"]}},
    "test-time augmentation": {"models": {"a": {"test_time_augmentation": "flip"}}},
    "a description": {"models": {"a": {"description": "x"}}},
    "other models": {"models": {"z": {"epochs": 3}, "a": {}}},
    "seeds": {"seeds": [3]},
    "the images that the study reports on": {"report_on": "validation"},
}


@pytest.mark.parametrize("what", TRAINED_ALIKE)
def test_what_decides_no_training_is_in_no_key(schema, tmp_path, what):
    before, after = planned(schema, tmp_path), planned(schema, tmp_path, **TRAINED_ALIKE[what])
    assert after.training_keys["a"] == before.training_keys["a"]


def test_what_decides_an_evaluation_is_in_its_key(schema, tmp_path):
    study = planned(schema, tmp_path).study["evaluations"]
    every = [key for by_seed in study.values() for key in by_seed.values()]
    assert len(set(every)) == len(every)
    for change in (
        {"limits": {"test_images": 30}},
        {"report_on": "validation"},
        {"models": CONFIG["models"] | {"a": {"test_time_augmentation": "flip"}}},
        {"models": CONFIG["models"] | {"a": {"dropout": [0, 0, 0]}}},
    ):
        assert planned(schema, tmp_path, **change).study["evaluations"]["a"]["1"] not in every


def test_models_that_train_alike_share_a_key(schema, tmp_path):
    alike = planned(schema, tmp_path, models={"a": {}, "z": {"test_time_augmentation": "flip"}})
    assert alike.training_keys["a"] == alike.training_keys["z"]
    assert alike.models_trained_as[alike.training_keys["a"]] == ["a", "z"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of three modules of which one imports another, under the names of the real one."""
    (tmp_path / "training").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "training/__init__.py").write_text("")
    (tmp_path / "training/loop.py").write_text('"""Doc."""\nfrom ablation.training import layers\nX = 1\n')
    (tmp_path / "training/layers.py").write_text('def f(x):\n    """Doc."""\n    return x + 1\n')
    (tmp_path / "files.py").write_text("Y = 1\n")
    monkeypatch.setattr(keys, "LIBRARY", tmp_path)

    def digest(file=None, text=None):
        keys._read.cache_clear()
        if file:
            (tmp_path / file).write_text(text)
        return keys.code_of("ablation.training.loop")

    yield digest
    keys._read.cache_clear()


def test_comments_docstrings_and_layout_are_no_code(library):
    before = library()
    assert (
        library("training/loop.py", '"""Other."""\nfrom ablation.training import layers  # x\n\n\nX = (1)\n') == before
    )
    assert library("training/layers.py", "def f(x):\n    return x + 1\n") == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("training/loop.py", "from ablation.training import layers\nX = 2\n"),
        ("training/loop.py", "from ablation.training import layers\nX = 1.0\n"),
        ("training/loop.py", "from ablation.training import layers\nX = '1'\n"),
        ("training/layers.py", "def f(x):\n    return x - 1\n"),
        ("training/layers.py", "def f(x):\n    return 1 + x\n"),
        ("training/layers.py", "def f(x):\n    'Doc.'\n    return x + 1\n\nf.__doc__\n"),
        ("training/__init__.py", "import os\n"),
    ],
)
def test_code_is_in_the_digest_of_what_imports_it(library, file, text):
    before = library()
    assert library(file, text) != before


def test_modules_that_change_no_number_are_not(library):
    before = library("training/loop.py", "from ablation import files\nfrom ablation.training import layers\nX = 1\n")
    assert library("files.py", "Y = 2\n") == before


def test_the_modules_that_are_left_out_exist():
    for name in keys.NEUTRAL:
        assert keys._file(name), name


def test_the_syntax_is_that_of_every_python(tmp_path):
    """Fields that only some versions of Python have are empty in code that the others can read."""
    tree = ast.parse(
        "def f(a, *, b: int = 1) -> int:\n    match a:\n        case [1, *_]:\n            return f'{a!r:>{b}}'\n"
    )
    assert "type_params" not in keys._syntax(tree)
    assert keys.key_of({"syntax": keys._syntax(tree)}) == "11ff56123e8122f5"


def test_code_that_is_no_longer_the_planned_one_is_refused(library):
    made_from = {"code": library()}
    keys.check_code(made_from)
    library("training/layers.py", "def f(x):\n    return x\n")
    with pytest.raises(InputError, match="the code has changed since this job was planned; run snakemake again"):
        keys.check_code(made_from)


def test_a_file_bears_its_key(tmp_path):
    path = tmp_path / "x"
    assert keys.bears(path, "abc") is False
    path.write_bytes(b"." * 9000 + b"abc" + b"." * 4000)
    assert keys.bears(path, "abc")
    assert not keys.bears(path, "abd")
    assert keys.bears(path, None) is False
    path.write_bytes(b"." * 9000)  # cut short
    assert not keys.bears(path, "abc")
    path.write_bytes(b"abc")
    assert keys.bears(path, "abc")


def test_a_record_that_was_changed_is_not_read(tmp_path):
    path = tmp_path / "metrics.json"
    files.write_record(path, {"key": "abc", "test_loss": 0.5, "made_from": {"b": 1, "a": [1, None]}})
    assert files.read_record(path)["test_loss"] == 0.5
    path.write_text(path.read_text().replace("0.5", "0.4"))
    with pytest.raises(InputError, match="metrics.json: was changed after it was written; delete it and run again"):
        files.read_record(path)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match="truncated or corrupt JSON"):
        files.read_record(path)


def test_a_key_in_the_middle_is_none(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc" + b"." * 9000)
    assert not keys.bears(path, "abc")


def write_run(folder, study, model, seed, **changes):
    """Write what stands for a finished run of a study."""
    training = folder / f"trainings/{study['trainings'][model]}/seed{seed}"
    files.write_record(training / "training.json", {"weights_digest": "the weights"})
    run = folder / f"runs/{model}/seed{seed}"
    for name in ("history.csv", "predictions.npz"):
        files.write_text(run / name, "x")
    metrics = {
        "key": study["evaluations"][model][str(seed)],
        "weights_digest": "the weights",
    }
    files.write_record(run / "metrics.json", metrics | changes)
    return run, training


def test_a_run_is_there_only_if_it_is_the_planned_one(schema, tmp_path):
    found = planned(schema, tmp_path)
    study = found.study

    def is_there():
        return keys.run_digests(study, tmp_path)["a"]["1"] is not None

    assert not is_there()
    run, training = write_run(tmp_path, study, "a", 1)
    assert is_there()
    for name in ("history.csv", "predictions.npz", "metrics.json"):
        content = (run / name).read_bytes()
        (run / name).unlink()
        assert not is_there(), name
        (run / name).write_bytes(content)
    assert is_there()
    write_run(tmp_path, study, "a", 1, key="0" * 16)
    assert not is_there()
    files.write_record(run / "metrics.json", {"weights_digest": "the weights"})  # without a key
    assert not is_there()
    write_run(tmp_path, study, "a", 1)
    metrics = (run / "metrics.json").read_text()
    (run / "metrics.json").write_text(metrics.replace("the weights", "the weight"))  # edited by hand
    assert not is_there()
    (run / "metrics.json").write_text(metrics)
    files.write_record(training / "training.json", {"weights_digest": "the weights", "seconds": 2})  # trained again
    assert is_there()
    files.write_record(training / "training.json", {"weights_digest": "others"})  # as on a GPU
    assert not is_there()
    (training / "training.json").unlink()
    assert is_there()


def test_outputs_have_a_key_when_their_runs_are_there(schema, tmp_path):
    study = planned(schema, tmp_path).study
    none = Outputs(study, tmp_path)
    assert none.tables is none.report is none.figures["loss_a"] is none.figures["curves"] is None
    assert none.figures["whitening"]
    runs = [(model, seed) for model in CONFIG["models"] for seed in (1, 2)]
    for model, seed in runs:
        write_run(tmp_path, study, model, seed)
    every = Outputs(study, tmp_path)
    assert None not in (every.tables, every.report, *every.figures.values())
    assert len({every.tables, every.report, *every.figures.values()}) == 2 + len(every.figures)
    write_run(tmp_path, study, "b", 2, test_accuracy=0.5)
    other = Outputs(study, tmp_path)
    changed = {name for name, key in other.figures.items() if key != every.figures[name]}
    of_study = {"curves", "accuracies", "differences", "classes", "calibration", "cost"}
    assert changed == of_study | {f"{name}_b" for name in ("loss", "accuracy", "confusion", "mistakes")}
    assert (other.tables, other.report) != (every.tables, every.report)


def test_a_study_is_json(schema, tmp_path):
    study = planned(schema, tmp_path).study
    assert json.loads(json.dumps(study)) == study


def test_the_content_of_a_file_of_images_is_in_every_key(schema, tmp_path):
    """A6: its content, whatever its time."""
    path = tmp_path / "own.npz"
    dataset = {"name": "npz", "path": str(path)}
    path.write_bytes(b"one")
    before = planned(schema, tmp_path, dataset=dataset)
    path.touch()
    assert planned(schema, tmp_path, dataset=dataset).training_keys == before.training_keys
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    after = planned(schema, tmp_path, dataset=dataset)
    assert not set(after.training_keys.values()) & set(before.training_keys.values())
    path.unlink()
    with pytest.raises(InputError, match="dataset.path: no such file"):
        planned(schema, tmp_path, dataset=dataset)


def test_an_archive_is_what_its_content_is_wherever_it_comes_from(schema, tmp_path):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(b"archive")
    download = {"sha256": files.file_digest(path)}
    downloaded = planned(schema, tmp_path, dataset={"name": "cifar10"}, download=download)
    assert downloaded.source.downloads == {"data/cifar-10-python.tar.gz": download["sha256"]}
    given = planned(schema, tmp_path, dataset={"name": "cifar10", "archive": str(path)})
    assert given.images_path == downloaded.images_path


def own_network(folder, text):
    """Write a network of a user's own, and the file next to it that it imports; return the path."""
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text("import blocks\n\n\ndef build(shape, classes, width: int = 8): ...\n")
    (folder / "blocks.py").write_text(text)
    return folder / "net.py"


def test_the_code_of_a_network_of_one_s_own_is_in_the_keys_and_its_place_is_not(schema, tmp_path):
    models = {"a": {"architecture": str(own_network(tmp_path / "one", "X = 1\n"))}}
    one = planned(schema, tmp_path, models=models)
    assert one.trainings["a"]["network"] == one.evaluations["a"][1]["network"] is not None
    assert "ablation.training.networks" not in str(one.trainings["a"]["code"]["modules"])
    moved = {"a": {"architecture": str(own_network(tmp_path / "two", "# moved\nX = 1\n"))}}
    assert planned(schema, tmp_path, models=moved).training_keys == one.training_keys
    own_network(tmp_path / "one", "X = 2\n")
    assert planned(schema, tmp_path, models=models).training_keys != one.training_keys
    (tmp_path / "one/blocks.py").write_text("from ablation.training import layers\nX = 1\n")
    with_library = planned(schema, tmp_path, models=models).trainings["a"]["network"]
    (tmp_path / "one/blocks.py").write_text("from ablation.training import losses\nX = 1\n")
    assert planned(schema, tmp_path, models=models).trainings["a"]["network"] != with_library


def test_the_library_that_a_file_of_one_s_own_imports_is_in_its_digest(library, tmp_path):
    """A module is meant, and a function of a module."""
    network = tmp_path / "own.py"
    network.write_text("from ablation.training import layers\nfrom ablation.training.layers import f\n")
    before = keys.code_of_file("architecture", network)
    library("training/layers.py", "def f(x):\n    return x - 1\n")
    assert keys.code_of_file("architecture", network) != before


def test_jobs_find_the_code_that_was_planned(schema, tmp_path):
    found = planned(schema, tmp_path)
    for made_from in (*found.trainings.values(), *(by_seed[1] for by_seed in found.evaluations.values())):
        keys.check_code(made_from)
    path = own_network(tmp_path / "one", "X = 1\n")
    made_from = planned(schema, tmp_path, models={"a": {"architecture": str(path)}}).trainings["a"]
    keys.check_code(made_from, network=path)
    own_network(tmp_path / "one", "X = 2\n")
    with pytest.raises(InputError, match="the code has changed"):
        keys.check_code(made_from, network=path)


def test_size_and_groups_of_a_folder_are_in_the_key_of_its_images(schema, tmp_path):
    """And the parts that validate, across which groups stay whole."""
    for name in ("a/1_x.png", "a/2_x.png", "b/1_y.png", "b/2_y.png"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_text(name)

    def images(models=CONFIG["models"], **dataset):
        dataset = {"name": "folder", "path": str(tmp_path / "pictures"), "size": 16} | dataset
        return planned(schema, tmp_path, dataset=dataset, models=models)

    other_split = CONFIG["models"] | {"b": {"validation_split": 0.25}}
    paths = [
        images(),
        images(size=32),
        images(groups="(.)_"),
        images(groups="(.)_x|(.)_y"),
        images(groups="(.)_", models=other_split),
    ]
    assert len({found.images_path for found in paths}) == len(paths)
    assert images(models=other_split).images_path == images().images_path
    assert (paths[2].groups, paths[2].images["validation_splits"]) == ("(.)_", [0.1])
    assert paths[4].images["validation_splits"] == [0.1, 0.25]


def test_a_whitening_asks_for_what_large_images_need(schema, tmp_path):
    """96 x 96 x 3 are 27,648 values: six matrices of 6.1 GB, and the cube of them in minutes."""
    assert planned(schema, tmp_path).whitening_resources == {"mem_mb": 3000, "runtime": 30}
    (tmp_path / "pictures/a").mkdir(parents=True)
    (tmp_path / "pictures/a/x.png").write_text("x")
    dataset = {"name": "folder", "path": str(tmp_path / "pictures"), "size": 96}
    large = planned(schema, tmp_path, dataset=dataset).whitening_resources
    assert large == {"mem_mb": 3000 + 36691, "runtime": 30 + 211}


def test_a_model_sees_the_images_of_its_input(schema, tmp_path):
    found = planned(schema, tmp_path)
    assert found.data_path("a") == found.whitened_path == f"data/{keys.key_of(found.whitened)}/zca.npz"
    assert found.data_path("raw") == found.images_path == f"data/{keys.key_of(found.images)}/images.npz"
    assert found.study["whitened"] == found.whitened_path
    assert planned(schema, tmp_path, models={"raw": {"input": "raw"}}).study["whitened"] is None


def test_what_prepares_the_images_is_told_where_they_come_from(schema, tmp_path):
    """A package brings the digits; what is downloaded is below the results, and said if it is not the official one."""

    def arguments(**changes):
        found = planned(schema, tmp_path, **changes)
        first, *others = found.arguments_of_prepare()
        assert json.loads(first.removeprefix("--made-from=")) == found.images
        return others

    assert arguments() == []
    source, warning = arguments(dataset={"name": "cifar10"}, download={"sha256": "0" * 64})
    assert source == f"--source={tmp_path}/data/cifar-10-python.tar.gz"
    assert warning.startswith("--warning=not the official cifar10: cifar-10-python.tar.gz has the SHA-256 0000")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1_x.png").write_text("x")
    folder = {"name": "folder", "path": str(tmp_path), "size": 16, "groups": "(.)_"}
    assert arguments(dataset=folder) == ["--groups=(.)_", f"--source={tmp_path}"]


def test_files_of_a_study_by_name(schema, tmp_path):
    found = planned(schema, tmp_path)
    key = found.training_keys["a"]
    files_of_training = [f"trainings/{key}/seed2/{name}" for name in ("model.keras", "history.csv", "training.json")]
    assert found.training_path("a", 2) == f"trainings/{key}/seed2"
    assert found.training_files(key, 2) == files_of_training
    for name in files_of_training:
        assert not found.is_trained(key, 2)
        files.write_text(tmp_path / name, "x")
    assert found.is_trained(key, 2)
    assert len(found.run_files) == 3 * 2 * 5
    assert f"{tmp_path}/runs/raw/seed2/model.keras" in found.run_files
    assert found.notes({"a": {"1": None, "2": None}}) == []
    gone = files_of_training[1]
    (tmp_path / gone).unlink()
    (note,) = found.notes({"a": {"1": None, "2": "digest"}})
    assert f"such as {tmp_path}/{gone}; snakemake with the name of one makes it again" in note
