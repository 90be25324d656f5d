"""What `make status` and `make plan` say, of studies whose files are made up."""

import json
import os
import platform
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from ablation import files
from ablation.plan import TRAINING_FILES, Plan
from ablation.report import progress, statistics, status
from ablation.settings import check, specs, text
from conftest import ROOT

CONFIG = {
    "title": "Two networks",
    "dataset": {"name": "digits"},
    "training": {"device": "cpu"},
    "seeds": [1, 2, 3],
    "defaults": {"input": "raw", "epochs": 10},
    "models": {
        "small": {},
        "large": {"channels": [64, 64, 64, 64], "epochs": 20},
        "small_tta": {"test_time_augmentation": "flip"},  # trains as small does
    },
}
MODELS = list(CONFIG["models"])
HERE = f"process {os.getpid()} on {platform.node()}\n"


class Made:
    """A study below a folder whose trainings and runs are files with no more in them than a status reads."""

    def __init__(self, folder, schema, **config):
        config = check.validate_and_fill(CONFIG | config, schema)
        self.plan = Plan(config, schema, folder / "results", folder / "digests.json")
        self.paces = folder / "pace.json"

    def folder(self, model, seed):
        return self.plan.results / self.plan.training_path(model, seed)

    def train(self, model, seed, seconds):
        for name in TRAINING_FILES:
            files.write_text(self.folder(model, seed) / name, "")
        record = {"seconds": float(seconds), "weights_digest": f"{model} {seed}"}
        files.write_record(self.folder(model, seed) / "training.json", record)

    def evaluate(self, model, seed, accuracy, key=None):
        run = self.plan.results / f"runs/{model}/seed{seed}"
        for name in ("history.csv", "predictions.npz"):
            files.write_text(run / name, "")
        key = key or self.plan.study["evaluations"][model][str(seed)]
        trained_as = self.plan.models_trained_as[self.plan.training_keys[model]][0]
        record = {"key": key, "weights_digest": f"{trained_as} {seed}", "test_accuracy": accuracy}
        files.write_record(run / "metrics.json", record)

    def save(self, model, seed, epochs, lock=""):
        history = [{"seconds": 2.0}] * epochs
        files.write_npz(self.folder(model, seed) / "checkpoint.npz", progress=json.dumps({"history": history}))
        files.write_text(self.folder(model, seed) / "checkpoint.lock", lock)

    def progress(self):
        return progress.Progress(self.plan, self.paces)

    def cells(self):
        """Return the grid as texts by model."""
        lines = status.status(self.plan)
        return {line.split()[0]: line.split()[1:] for line in lines if line.split()[:1] and line.split()[0] in MODELS}


@pytest.fixture
def made(tmp_path, schema):
    return Made(tmp_path, schema)


def test_the_grid_says_what_each_run_is(made):
    made.train("small", 1, 20)
    made.evaluate("small", 1, 0.81234)
    made.evaluate("large", 1, 0.9, key="0" * 16)
    made.save("large", 2, 5, lock=HERE)
    made.save("large", 3, 7)
    assert made.cells() == {
        "small": ["81.2%", "missing", "missing"],
        "large": ["(90.0%)", "5/20", "30", "s", "stopped", "7/20"],
        "small_tta": ["trained", "missing", "missing"],
    }
    lines = status.status(made.plan)
    assert max(map(len, lines)) <= 80
    assert "(in parentheses: from other settings, data or code; a run computes it again)" in lines
    assert "stopped: the next run resumes from the last saved state" in lines


def test_work_is_epochs_times_their_pace(made):
    """An epoch of `large` takes four times as long as one of `small`, of which there are half as many."""
    made.train("small", 1, 10 * 0.5)
    made.save("large", 1, 10)
    now = made.progress()
    assert len(now.trainings) == 6  # small_tta has none of its own
    assert now.share == pytest.approx((10 * 0.5 + 10 * 2) / (3 * 10 * 0.5 + 3 * 20 * 2))
    assert now.seconds_left(1) == pytest.approx(2 * 5 + 20 + 2 * 40)
    assert now.seconds_left(2) == pytest.approx(55)
    assert now.seconds_left(100) == pytest.approx(40)  # the longest one
    assert now.sentence(2) == "18% of the training done (1 of 6); about 55 s of training left"


def test_a_finished_study_is_all_of_it(made):
    for model in ("small", "large"):
        for seed in (1, 2, 3):
            made.train(model, seed, 10)
    assert made.progress().sentence(1) == "100% of the training done (6 of 6)"


def test_a_pace_that_nothing_tells_is_the_mean_of_the_others(made):
    assert made.progress().sentence(1) == "0% of the training done (0 of 6)"
    key = made.plan.training_keys["large"]
    files.write_json(made.paces, {key: {"seconds": 3.0, "bytes": 10}})
    now = made.progress()
    assert now.pace == dict.fromkeys(made.plan.models_trained_as, 3.0)
    assert now.unknown == [made.plan.training_keys["small"]]
    made.train("large", 1, 20 * 5)  # what was measured counts more than what was timed
    assert made.progress().pace[key] == 5.0


def test_a_file_of_paces_that_is_none_is_ignored(made):
    path = made.plan.results / "pace.json"
    path.parent.mkdir(exist_ok=True)
    for content in ("[1]", "{", '{"x": 1}', '{"x": {"seconds": "fast"}}'):
        path.write_text(content)
        assert progress.Progress(made.plan, path).timed == {}


def test_a_finished_run_whose_training_was_deleted_is_finished(made):
    for model in ("small", "small_tta"):
        made.evaluate(model, 1, 0.5)
    assert made.progress().of("small", 1).state == "finished"
    (made.plan.results / "runs/small/seed1/predictions.npz").unlink()
    assert made.progress().of("small", 1).state == "missing"


@pytest.mark.parametrize(
    ("lock", "age", "state"),
    [
        (HERE, 0, "running"),
        (HERE, 10 * progress.SILENCE, "running"),  # an epoch may take a day
        ("", 0, "stopped"),
        (f"process {2**22 + 1} on {platform.node()}\n", 0, "stopped"),  # killed
        ("process 5 on node17\n", 0, "running"),
        ("process 5 on node17\n", 2 * progress.SILENCE, "stopped"),
    ],
    ids=["here", "here, a long epoch", "nobody", "killed here", "elsewhere", "elsewhere, silent"],
)
def test_who_runs(made, lock, age, state):
    made.save("large", 2, 3, lock)
    for path in made.folder("large", 2).iterdir():
        os.utime(path, (time.time() - age,) * 2)
    assert made.progress().of("large", 2).state == state
    assert made.progress().of("large", 2).done == 3


def test_a_state_in_the_first_epoch_resumes_and_one_cut_short_does_not(made):
    made.save("large", 1, 0)
    assert made.progress().of("large", 1).state == "stopped"
    files.write_text(made.folder("large", 2) / "checkpoint.npz", "PK")
    assert made.progress().of("large", 2).state == "missing"


def test_many_seeds_and_long_names_stay_in_80_columns(tmp_path, schema):
    names = [f"{'x' * 60}{number}" for number in range(3)]
    many = Made(tmp_path, schema, seeds=list(range(1, 31)), models={name: {} for name in names})
    lines = status.status(many.plan)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("seed ") for line in lines) > 1
    assert [number for line in lines if line.startswith("seed ") for number in line.split()[1:]] == [
        str(seed) for seed in range(1, 31)
    ]


def test_a_training_of_other_settings_is_said(made):
    files.write_json(made.plan.results / "trainings/0123456789abcdef/seed1/training.json", {})
    made.train("small", 1, 1)
    assert "1 training of other settings on disk: snakemake --cores 1 unused lists them" in status.status(made.plan)


def test_the_forecast(made):
    made.train("small", 1, 10)
    made.evaluate("small", 1, 0.5)
    files.write_json(made.paces, {made.plan.training_keys["large"]: {"seconds": 60.0, "bytes": 2e6}})
    lines = status.forecast(made.plan, status.images_of(made.plan), made.paces)
    assert lines[0] == "Two networks: 3 models, 3 seeds"
    assert lines[1].startswith("To do: 5 trainings, 8 evaluations, ")
    assert [line.split() for line in lines[3:6]] == [
        ["model", "epochs", "an", "epoch", "to", "do", "all"],
        ["small", "(and", "1", "more)", "10", "1", "s", "2", "20", "s"],
        ["large", "20", "1", "min", "3", "1", "h"],
    ]
    assert "about 1 h" in lines[7]
    fewest = statistics.seeds_needed(2)
    (row,) = [line.split() for line in lines if line.startswith("with the baseline")]
    assert row[3:] == [
        "2",
        str(fewest),
        f"{statistics.detectable_effect(fewest, 2):.1f}",
        "sd",
        "with",
        str(fewest),
        "seeds",
    ]
    assert "What seeds can show (there are 3):" in lines
    assert max(map(len, lines)) <= 80


def test_the_forecast_names_what_takes_space(made):
    def sizes():
        lines = status.forecast(made.plan, status.images_of(made.plan), made.paces)
        return lines[next(number for number, line in enumerate(lines) if line.startswith("Disk")) + 1]

    assert sizes() == "  (data 6 MB, runs 97 kB, figures and report 2 MB)"  # 9 runs of 300 images, 36 bytes each
    for path in (made.plan.images_path, made.plan.whitened_path):
        files.write_text(made.plan.results / path, "")
    assert sizes() == "  (runs 97 kB, figures and report 2 MB)"


@pytest.mark.parametrize(
    ("size", "text"), [(2.34e9, "2.3 GB"), (1e9, "1.0 GB"), (1e6, "1 MB"), (2340, "2 kB"), (0, "0 kB")]
)
def test_sizes_in_words(size, text):
    assert status._bytes(size) == text


def test_long_names_that_would_be_alike_when_shortened_are_not():
    alike = [f"{'a' * 30}{middle}{'b' * 30}" for middle in "xy"]
    unlike = [f"{'a' * 60}{end}" for end in "xy"]
    first, second = ("\n".join(status._grid({name: {1: ""} for name in names}, 80)) for names in (alike, unlike))
    assert all(name in first for name in alike)
    assert "a..a" in second


def test_official_images_are_as_many_as_their_sources_say():
    sizes = {name: (images.train + images.test, images.test) for name, images in status.OFFICIAL.items()}
    assert sizes == {
        "cifar10": (60_000, 10_000),
        "cifar100": (60_000, 10_000),
        "mnist": (70_000, 10_000),
        "fashion_mnist": (70_000, 10_000),
        "digits": (1_797, 300),
    }


def test_the_images_of_the_digits_are_those_of_the_data_set():
    from ablation.data.datasets import read_dataset

    read, images = read_dataset("digits", None, 0), status.OFFICIAL["digits"]
    assert (len(read.x_train), len(read.x_test), read.x_train.shape[1:]) == (images.train, images.test, images.shape)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3569, "59 min"),
        (3580, "1 h"),
        (7500, "2 h 5 min"),
        (86_340, "23 h 59 min"),
        (86_399, "1 day"),
        (180_000, "2 days 2 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert progress.duration(seconds) == words


def test_the_config_is_snakemakes(tmp_path, monkeypatch, schema):
    """Files in their order, then --config; texts as they are written."""
    monkeypatch.chdir(tmp_path)
    names = [ROOT / "config.yaml", ROOT / "config/digits.yaml", tmp_path / "own.json"]
    names[2].write_text('{"title": "x", "limits": {"epochs": 3}}')
    arguments = ["title=2026", "limits={train_images: 500}", "report_on=validation", "seeds=[010]", "baseline="]
    config, _ = text.read_config(names, arguments, schema)
    expected = {}
    for name in names:
        update_config(expected, yaml.safe_load(name.read_text()))
    update_config(expected, parse_config(arguments) | {"title": "2026"})
    assert config == expected
    (tmp_path / "octal.yaml").write_text("title: x\nseeds: [010]\n")
    with pytest.raises(files.InputError, match=r"^octal.yaml, line 2: seeds\[0\]: YAML takes 010 for 8"):
        text.read_config(["octal.yaml"], [], schema)
    with pytest.raises(files.InputError, match=r"nowhere.yaml: no such file"):
        text.read_config([names[0], "nowhere.yaml"], [], schema)


def program(*arguments, cwd, code=None):
    command = [sys.executable, *(["-c", code] if code else [ROOT / "scripts/status.py"]), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_a_wrong_config_is_one_line(tmp_path):
    (tmp_path / "config.yaml").write_text("models:\n  a: {epoch: 3}\n")
    done = program(cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "config error: config.yaml, line 2: models.a.epoch: unknown key; did you mean 'epochs'?"
    )
    assert done.stderr.count("\n") == 1


def test_a_status_imports_nothing_slow_and_writes_nothing(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    code = f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); sys.argv = ['status.py']\n"
    code += f"runpy.run_path({str(ROOT / 'scripts/status.py')!r}, run_name='__main__'); print(*sys.modules)"
    done = program(cwd=tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Two networks: 3 models, 3 seeds\n")
    assert not {"numpy", "pandas", "tensorflow", "snakemake"} & set(done.stdout.split())
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("images", "settings", "timed", "steps"),
    [
        (50_000, {}, 1138, 16),
        (50_000, {"batch_size": 1024}, 4552, 4),  # more than 2,048 images, or there were too few steps
        (1000, {}, 1000, 15),  # all that there are
        (50_000, {"validation_split": 0, "lookahead": 5}, 1024, 16),  # which needs more steps than a short training has
    ],
)
def test_what_is_timed(tensorflow, schema, monkeypatch, images, settings, timed, steps):
    """Of the short epochs the fastest, times as many as its images are in a whole one."""
    from ablation.training import devices, loop, pace

    started, seen = [], []
    monkeypatch.setattr(devices, "start_tensorflow", lambda *how: started.append(how))

    def train(model, spec, train_data, val_data, *_):
        seen.append((spec.epochs, spec.lookahead, train_data, val_data, model.count_params()))
        return [SimpleNamespace(seconds=seconds) for seconds in (3.0, 2.0, 5.0)]

    monkeypatch.setattr(loop, "train", train)
    config = CONFIG | {"models": {"small": {"channels": [4, 4, 4, 4], **settings}}}
    config = check.validate_and_fill(config, schema)
    small = {"small": specs.model_spec(config, "small")}
    ((name, found),) = pace.time_trainings(small, images, (16, 16, 1), 10, device="cpu", threads=2, jobs_per_gpu=3)
    assert started == [("cpu", 2, "the timing", 3)]
    ((epochs, lookahead, (x, y), (val_x, val_y), parameters),) = seen
    assert (epochs, lookahead) == (4, 0)
    assert len(x) + len(val_x) == timed
    assert -(-len(x) // small["small"].batch_size) == steps
    assert x.shape[1:] == val_x.shape[1:] == (16, 16, 1)
    assert sorted(set(y)) == list(range(10))
    assert len(y) == len(x)
    assert len(val_y) == len(val_x)
    assert name == "small"
    assert found == {"seconds": pytest.approx(2.0 * images / timed), "bytes": 4 * parameters}
