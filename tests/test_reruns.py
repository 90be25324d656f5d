"""A change runs exactly the jobs that it touches: the table of the README, row by row, on finished studies."""

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import measure
import numpy as np
import pytest
import yaml

from ablation.report.figures import FORMATS
from conftest import (
    DIGITS,
    FIGURES_OF_MODEL,
    FIGURES_OF_STUDY,
    FIGURES_OF_WHITENING,
    MODELS,
    Checkout,
    jobs_in,
    write_digits,
)
from test_faults import kill_trainings

SEEDS = [1, 2]


def plots(models=MODELS, figures=FIGURES_OF_MODEL):
    """Return the jobs of the figures that models have."""
    return {f"plot_{figure} {model}" for figure in figures for model in models}


def runs(models=MODELS, seeds=SEEDS):
    """Return the trainings and evaluations of models and seeds."""
    return trainings(models, seeds) | evaluations(models, seeds)


def trainings(models=MODELS, seeds=SEEDS):
    return {f"train {model} {seed}" for model in models for seed in seeds}


def evaluations(models=MODELS, seeds=SEEDS):
    return {f"evaluate {model} {seed}" for model in models for seed in seeds}


STUDY_PLOTS = {f"plot_{figure}" for figure in FIGURES_OF_STUDY}
REPORT = {"study", "compare", "report"} | STUDY_PLOTS
WHITENING_PLOTS = {f"plot_{figure}" for figure in FIGURES_OF_WHITENING}
WHITENING = {"whiten"} | WHITENING_PLOTS
BELOW_WHITENING = runs() | plots() | REPORT
BELOW_DATA = {"prepare"} | WHITENING | BELOW_WHITENING


def rows_of(model):
    """Return all that a model's results go through."""
    return runs([model]) | plots([model]) | REPORT


# ruff: noqa: E501  a row a line
CONFIG = [
    ("nothing", {}, set()),
    ("epochs of model5", {"limits": {"epochs": None}, "defaults": {"epochs": 1}, "models": {"model4": {"epochs": 1}, "model5": {"epochs": 2}}}, rows_of("model5")),
    ("dropout of model5", {"models": {"model5": {"dropout": [0.1, 0.2, 0.3]}}}, rows_of("model5")),
    ("channels of model5", {"models": {"model5": {"channels": [8, 8, 8, 16]}}}, rows_of("model5")),
    ("test-time augmentation of model5", {"models": {"model5": {"test_time_augmentation": "flip"}}}, rows_of("model5") - trainings()),
    ("a variant that trains as model5", {"models": {"model9": {"channels": [8, 8, 8, 8], "batch_normalization": "before_pool", "test_time_augmentation": "flip"}}}, rows_of("model9") - trainings(["model9"])),
    ("the same, earlier in the alphabet", {"models": {"alpha": {"channels": [8, 8, 8, 8], "batch_normalization": "before_pool", "test_time_augmentation": "flip"}}}, rows_of("alpha") - trainings(["alpha"])),
    ("augmentation of model5", {"models": {"model5": {"flip": "random", "translation": 2}}}, rows_of("model5")),
    ("a setting at the value that turns it off", {"defaults": {"flip": "none", "translation": 0, "lookahead": 0}}, set()),
    ("precision of model5", {"models": {"model5": {"precision": "mixed_bfloat16"}}}, rows_of("model5")),
    ("precision of all", {"defaults": {"precision": "mixed_bfloat16"}}, BELOW_WHITENING),
    ("a variant added", {"models": {"model9": {"channels": [8, 8, 8, 4]}}}, rows_of("model9")),
    ("a seed added", {"seeds": [1, 2, 3]}, runs(seeds=[3]) | plots() | REPORT),
    ("a seed removed", {"seeds": [2]}, plots() | REPORT),
    ("order of seeds", {"seeds": [2, 1]}, set()),
    ("whitening.epsilon", {"whitening": {"epsilon": 0.1}}, WHITENING | BELOW_WHITENING),
    ("whitening.fit_on", {"whitening": {"fit_on": "train"}}, WHITENING | BELOW_WHITENING),
    ("another dataset", {"dataset": {"shuffle_seed": 1}}, BELOW_DATA),
    ("limits.train_images", {"limits": {"train_images": 500}}, BELOW_WHITENING),
    ("limits.test_images", {"limits": {"test_images": 200}}, evaluations() | plots() | REPORT),
    ("report_on", {"report_on": "validation"}, evaluations() | plots() | REPORT | WHITENING_PLOTS),
    ("a family added", {"models": {"parts": {"grid": {"of": "model5", "decay": [0]}}}}, rows_of("model5-decay-0") | {"plot_grid parts"}),
    ("a title", {"title": "Another"}, {"study", "report"}),
    ("a description", {"models": {"model5": {"description": "Another"}}}, {"study", "report"}),
    ("a published figure", {"published": {"source": "x", "models": {"model2": {"accuracy": 0.5}}}}, REPORT),
    ("another baseline", {"baseline": "model5"}, plots() | REPORT),
    ("validation images of model5", {"models": {"model5": {"validation_images": "by_seed"}}}, rows_of("model5")),
    ("training.device", {"training": {"device": "auto"}}, BELOW_WHITENING),
    ("training.checkpoint_epochs", {"training": {"checkpoint_epochs": 5}}, set()),
    ("training.jobs_per_gpu", {"training": {"jobs_per_gpu": 2}}, set()),
    ("download.sources", {"download": {"sources": ["http://localhost/"]}}, set()),  # the digits need no download
]  # fmt: skip

LIBRARY = "scripts/ablation"
CODE = [
    ("the networks' common part", f"{LIBRARY}/training/networks/__init__.py", BELOW_WHITENING),
    ("the notebook's network", f"{LIBRARY}/training/networks/cifar10_cnn.py", BELOW_WHITENING),
    ("a network that no model has (A11)", f"{LIBRARY}/training/networks/airbench.py", set()),
    ("another network added (A11)", f"{LIBRARY}/training/networks/added.py", set()),
    ("the optimizer of all models", f"{LIBRARY}/training/optimizers/adadelta.py", BELOW_WHITENING),
    ("an optimizer that no model has", f"{LIBRARY}/training/optimizers/sgd.py", set()),
    ("another optimizer added", f"{LIBRARY}/training/optimizers/added.py", set()),
    ("another schedule added", f"{LIBRARY}/training/schedules/added.py", set()),
    ("another data set added", f"{LIBRARY}/data/datasets/added.py", set()),
    ("the training loop (A5)", f"{LIBRARY}/training/loop.py", BELOW_WHITENING),
    ("which GPU is used (A11)", f"{LIBRARY}/training/gpus.py", set()),
    ("how files are written", f"{LIBRARY}/files.py", set()),
    ("the whitening", f"{LIBRARY}/data/whitening.py", WHITENING | BELOW_WHITENING),
    ("the digits", f"{LIBRARY}/data/datasets/digits.py", BELOW_DATA),
    ("the CIFAR-10 archive, of another data set", f"{LIBRARY}/data/datasets/cifar10.py", set()),
    ("the evaluation of a run", f"{LIBRARY}/training/evaluate.py", evaluations() | plots() | REPORT),
    ("the download", f"{LIBRARY}/data/download.py", set()),
    ("one figure of all models", f"{LIBRARY}/report/figures/calibration.py", {"plot_calibration", "report"}),
    ("one figure of each model", f"{LIBRARY}/report/figures/mistakes.py", plots(figures=["mistakes"]) | {"report"}),
    ("the style of the figures", f"{LIBRARY}/report/figures/style.py", plots() | STUDY_PLOTS | WHITENING_PLOTS | {"report"}),
    ("the statistics", f"{LIBRARY}/report/statistics.py", REPORT - {"study"}),
    ("the table", f"{LIBRARY}/report/table.py", REPORT - {"study"}),
    ("the report's page", f"{LIBRARY}/report/page.py", {"report"}),
    ("the report's template", f"{LIBRARY}/report/page.html.j2", {"report"}),
    ("the reading of the config", f"{LIBRARY}/settings/check.py", set()),
    ("a program, which computes nothing itself", "scripts/train.py", set()),
    ("the conda environments", "envs/train.yaml", set()),
    ("the lock file", "envs/requirements.txt", set()),
    ("the README", "README.md", set()),
]  # fmt: skip


def show(change, jobs):
    """Print a row of the table; `pytest -s` shows it."""
    counts = {}
    for job in jobs:
        rule = job.split()[0]
        rule = "plot" if rule.startswith("plot_") else rule
        counts[rule] = counts.get(rule, 0) + 1
    print(f"\n| {change} | {', '.join(f'{count} {rule}' for rule, count in counts.items()) or 'none'} |", end=" ")


@pytest.mark.parametrize(("change", "config", "expected"), CONFIG, ids=[row[0] for row in CONFIG])
def test_a_change_of_the_config(finished_study, change, config, expected):
    jobs = finished_study.jobs(*DIGITS, finished_study.write("change.yaml", config))
    show(change, jobs)
    assert jobs == expected


@pytest.fixture
def editable(finished_study):
    """The finished study, whose files are put back in the end."""
    before = {
        path: path.read_bytes()
        for path in finished_study.path.glob("**/*")
        if path.is_file() and is_code(finished_study, path)
    }
    yield finished_study
    for path in finished_study.path.glob("**/*"):
        if path.is_file() and is_code(finished_study, path):
            if path not in before:
                path.unlink()
            elif path.read_bytes() != before[path]:
                path.write_bytes(before[path])


def is_code(checkout, path):
    return path.relative_to(checkout.path).parts[0] in (
        "scripts",
        "rules",
        "envs",
        "README.md",
        "Snakefile",
        "config.yaml",
    )


@pytest.mark.parametrize(("change", "file", "expected"), CODE, ids=[row[0] for row in CODE])
def test_an_edit_of_a_file(editable, change, file, expected):
    """An older time doesn't hide it (A5)."""
    path = editable.path / file
    with open(path, "a") as code:
        code.write("\nEDITED = True\n")
    os.utime(path, (1, 1))
    jobs = editable.jobs(*DIGITS)
    show(change, jobs)
    assert jobs == expected


def test_a_comment_in_every_file(editable):
    """A1, A11: comments and docstrings are no code; those of figures are their titles, which the report shows."""
    for path in editable.path.glob("scripts/**/*.py"):
        path.write_text(path.read_text().replace('"""', '"""Said otherwise: ', 1) + "# a comment\n")
    assert editable.jobs(*DIGITS) == {"report"}


def test_a_new_setting_whose_default_changes_nothing(editable):
    """A11: no key holds a setting at the value that turns it off."""
    path = editable.path / "rules/schemas/config.schema.yaml"
    before = "      label_smoothing:\n"
    added = "      mixup:\n        description: Added.\n        type: integer\n        default: 0\n        x-off: 0\n"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, added + before))
    assert editable.jobs(*DIGITS) == {"study", "report"}  # which list the defaults
    on = editable.write("change.yaml", {"models": {"model5": {"mixup": 4}}})
    assert editable.jobs(*DIGITS, on) == rows_of("model5")


def test_touched_files(finished_study):
    for path in finished_study.path.rglob("*"):
        if ".snakemake" not in path.parts:
            path.touch()
    assert finished_study.jobs(*DIGITS) == set()


def test_forced_data(finished_study):
    """A1: the data are made again, and nothing else."""
    jobs = finished_study.jobs(*DIGITS, "--forcerun", "prepare")
    assert jobs == {"prepare"}


def test_a_model_renamed(editable):
    """A7: a name is no setting."""
    path = editable.path / "config.yaml"
    path.write_text(path.read_text().replace("  model5:", "  model5_bn:"))
    short = editable.write("change.yaml", {"models": {"model5_bn": {"channels": [8, 8, 8, 8]}}})
    renamed = editable.write("renamed.yaml", without(editable, "model5"))
    jobs = editable.jobs("--configfile", "config/digits.yaml", renamed, short)
    assert jobs == rows_of("model5_bn") - trainings(["model5_bn"])


def without(checkout, model):
    """Return the content of short.yaml without its entry for a model."""
    config = yaml.safe_load((checkout.path / "short.yaml").read_text())
    del config["models"][model]
    return config


def test_a_variant_removed_and_the_order_of_keys(editable):
    """One model less is a new table; its results stay. The order of the others' keys is nothing."""
    path = editable.path / "config.yaml"
    content = path.read_text()
    before, model8 = content.split("  model8:\n")
    model8, after = model8.split("\n\n", 1)
    published = "    model8: {loss: 0.996272477233, accuracy: 0.838}\n"
    path.write_text(before.replace("models:\n", f"models:\n  model8:\n{model8}\n\n") + after)
    assert editable.jobs(*DIGITS) == set()
    path.write_text((before + after).replace(published, ""))
    editable.write("short8.yaml", without(editable, "model8"))
    assert editable.jobs("--configfile", "config/digits.yaml", "short8.yaml") == REPORT
    assert (editable.results / "runs/model8/seed1/metrics.json").exists()


def test_a_checkout_with_the_results_copied_in(finished_study, tmp_path):
    """A3: without .snakemake, and at times that mean nothing."""
    clone = copied(finished_study, tmp_path)
    for number, path in enumerate(sorted(clone.path.glob("results/**/*"))):
        os.utime(path, (1_700_000_000 - number, 1_700_000_000 - number))
    assert clone.jobs(*DIGITS) == set()


def copied(study, path, *folders):
    """Return another checkout with the results of a study, and other folders, copied in."""
    clone = Checkout(path)
    for file in (*study.path.glob("*.yaml"), *study.path.glob("*.npz")):
        shutil.copy(file, clone.path)
    for folder in ("results", *folders):
        shutil.copytree(study.path / folder, clone.path / folder, copy_function=shutil.copy, dirs_exist_ok=True)
    return clone


TABLE = "results/report/accuracy.csv"
TINY = {
    "title": "Two small networks on some digits",
    "dataset": {"name": "npz", "path": "digits.npz"},
    "whitening": {"epsilon": 0.01},
    "training": {"device": "cpu"},
    "defaults": {"batch_size": 16, "channels": [8, 8, 8, 8]},
    "limits": {"train_images": 200, "test_images": 60, "epochs": 1},
    "models": {"a": {}, "b": {"batch_normalization": "before_relu"}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study of two models, one seed; only its figures and its report are empty."""
    checkout = Checkout(tmp_path_factory.mktemp("finished"))
    write_digits(checkout.path)
    tiny(checkout)
    run = checkout.snakemake(TABLE)
    assert run.returncode == 0, run.stdout
    results = checkout.path / "results"
    measure.draw_without_work(json.loads((results / "report/study.json").read_text()), results)
    return checkout


@pytest.fixture
def checkout(finished, tmp_path):
    """The same in a folder of its own, to be changed."""
    return copied(finished, tmp_path, ".snakemake")


def tiny(checkout, **changes):
    """Write the config of the study of two models, changed."""
    checkout.write("config.yaml", TINY | changes)


def run_jobs(checkout, *arguments):
    """Plan, run, and return the jobs that ran: the planned ones."""
    planned = checkout.jobs(*arguments)
    run = checkout.snakemake(*arguments)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == planned
    assert checkout.jobs(*arguments) == set()
    return planned


def of(*models):
    """Return all that the table of models with seed 1 goes through."""
    return runs(models, [1]) | {"study", "compare"}


def metrics(checkout, model, key):
    return json.loads((checkout.path / f"results/runs/{model}/seed1/metrics.json").read_text())[key]


def test_a_setting_tried_and_taken_back(checkout):
    """A7: the first training is still there."""
    before = metrics(checkout, "b", "weights_digest")
    tiny(checkout, models={"a": {}, "b": {"batch_normalization": "before_pool"}})
    assert run_jobs(checkout) == of("b") | plots(["b"]) | REPORT
    assert metrics(checkout, "b", "weights_digest") != before
    tiny(checkout)
    assert run_jobs(checkout, TABLE) == of("b") - {"train b 1"}
    assert metrics(checkout, "b", "weights_digest") == before


def test_a_rename_and_a_row_that_trains_alike_are_evaluated(checkout):
    """A7, for real: no training, and the same networks."""
    models = {"a": {}, "b2": TINY["models"]["b"], "aa": TINY["models"]["b"] | {"test_time_augmentation": "flip"}}
    tiny(checkout, models=models)
    assert run_jobs(checkout, TABLE) == of("b2", "aa") - trainings(["b2", "aa"], [1])
    assert metrics(checkout, "b2", "weights_digest") == metrics(checkout, "aa", "weights_digest")


def test_a_try_has_a_place_of_its_own(checkout):
    """A8: limits on the command line overwrite no training."""
    before = metrics(checkout, "a", "weights_digest")
    limits = ["--config", "limits={train_images: 100, test_images: 60, epochs: 1}"]
    assert run_jobs(checkout, TABLE, *limits) == of("a", "b")
    assert metrics(checkout, "a", "train_images") == 90
    assert run_jobs(checkout, TABLE) == of("a", "b") - trainings(["a", "b"], [1])
    assert metrics(checkout, "a", "weights_digest") == before


def test_without_records_a_table_never_contradicts_its_runs(checkout):
    """A2: .snakemake gone, epochs changed, a model added."""
    shutil.rmtree(checkout.path / ".snakemake")
    models = TINY["models"] | {"c": {"dropout": [0.1, 0.1, 0.1]}}
    tiny(checkout, limits=TINY["limits"] | {"epochs": 2}, models=models)
    assert run_jobs(checkout, TABLE) == of("a", "b", "c")
    assert len((checkout.path / "results/runs/a/seed1/history.csv").read_text().splitlines()) == 1 + 2
    shutil.rmtree(checkout.path / ".snakemake")
    tiny(checkout)
    assert run_jobs(checkout, TABLE) == of("a", "b") - trainings(["a", "b"], [1])


def test_metrics_of_something_else_are_refused(checkout):
    """What reads metrics.json compares it with the study."""
    path = checkout.path / "results/runs/a/seed1/metrics.json"
    shutil.copy(checkout.path / "results/runs/b/seed1/metrics.json", path)
    assert checkout.jobs() == {"evaluate a 1"} | plots(["a", "b"]) | REPORT - {"study"}
    run = checkout.python("scripts/compare.py", "--study", "results/report/study.json", *tables(checkout))
    assert run.returncode == 1
    assert run.stdout == f"error: results/runs/a/seed1/metrics.json: {OTHER}\n"


OTHER = "is from other settings, data or code than the study's; run snakemake again"


OUTPUTS_OF_COMPARE = [
    *("accuracy", "comparisons", "confusion", "classes", "mistakes", "predictions", "markdown", "latex")
]


def tables(checkout):
    return [f"--{name}={checkout.path / name}" for name in OUTPUTS_OF_COMPARE]


def test_code_edited_while_a_training_runs(checkout):
    """A4: the result is that of the code that ran; after undoing the edit it is still there."""
    tiny(checkout, limits={"train_images": 200, "test_images": 60, "epochs": 40})
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(checkout.snakemake, "results/runs/a/seed1/metrics.json")
        while not list(checkout.path.glob("results/trainings/*/seed1/checkpoint.npz")):
            assert not run.done()
            time.sleep(0.02)
        path = checkout.path / LIBRARY / "training/loop.py"
        content = path.read_text()
        path.write_text(content.replace("STEPS_PER_CALL = 64", "STEPS_PER_CALL = 32"))
    said = "the code has changed since this job was planned"  # by the evaluation
    assert said in run.result().stdout or run.result().returncode == 0, run.result().stdout
    path.write_text(content)
    assert not {job for job in checkout.jobs() if job.startswith("train a")}
    path.write_text(content.replace("STEPS_PER_CALL = 64", "STEPS_PER_CALL = 32"))
    assert "train a 1" in checkout.jobs()


def test_a_training_planned_with_other_code_is_refused(checkout):
    tiny(checkout, seeds=[2])
    command = checkout.snakemake("--dry-run", "--printshellcmds").stdout
    line = next(line.strip() for line in command.splitlines() if "scripts/train.py" in line)
    path = checkout.path / LIBRARY / "training/loop.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    run = checkout.shell(line.partition("exec ")[2])
    assert run.returncode == 1
    log = next(checkout.path.glob("results/logs/train/*/seed2.log"))
    assert log.read_text().endswith("error: the code has changed since this job was planned; run snakemake again\n")
    assert not list(checkout.path.glob("results/trainings/*/seed2/model.keras"))


def test_own_images(tmp_path):
    """A6, A10: the content of a file decides, not its time; names of classes are drawn again and train nothing anew."""
    checkout = Checkout(tmp_path)
    rng = np.random.default_rng(0)
    arrays = {"images": rng.integers(0, 256, (120, 16, 16, 3), np.uint8), "labels": np.arange(120) % 2}
    np.savez(tmp_path / "own.npz", **arrays, class_names=["cat", "dgo"])
    limits = {"train_images": None, "test_images": None, "epochs": 1}
    tiny(
        checkout,
        dataset={"name": "npz", "path": "own.npz"},
        defaults=TINY["defaults"] | {"input": "raw"},
        limits=limits,
    )
    assert run_jobs(checkout, TABLE) == {"prepare"} | of("a", "b")
    (tmp_path / "own.npz").touch()
    assert checkout.jobs(TABLE) == set()
    np.savez(tmp_path / "own.npz", **arrays, class_names=["cat", "dog"])
    os.utime(tmp_path / "own.npz", (1, 1))
    assert checkout.jobs(TABLE) == {"prepare"} | of("a", "b")


def test_files_that_are_gone(checkout):
    """A13: said in one line, and made again where asked for, with the same bits."""
    digest = metrics(checkout, "a", "weights_digest")
    shutil.rmtree(checkout.path / "results/data")
    shutil.rmtree(checkout.path / "results/trainings")
    run = checkout.snakemake()
    assert "Nothing to be done" in run.stdout
    assert "note: 7 files of finished runs are gone, such as results/data/" in run.stdout
    models = TINY["models"] | {"a2": {"test_time_augmentation": "flip"}}  # needs the training of a, and the images
    tiny(checkout, models=models)
    jobs = run_jobs(checkout, TABLE)
    assert {"prepare", "whiten", "train a2 1", "evaluate a2 1"} <= jobs  # the training of a, for a2
    assert "train b 1" not in jobs
    assert metrics(checkout, "a2", "weights_digest") == digest


def test_a_model_that_is_asked_for_by_name(checkout):
    """A13: linked where its training is there, trained again where it is gone."""
    model = checkout.path / "results/runs/a/seed1/model.keras"
    model.unlink()
    assert checkout.jobs() == set()
    assert run_jobs(checkout, str(model.relative_to(checkout.path))) == {"name_model a 1"}
    assert any(model.samefile(path) for path in checkout.path.glob("results/trainings/*/seed1/model.keras"))
    model.unlink()
    shutil.rmtree(checkout.path / "results/trainings")
    planned = checkout.jobs(str(model.relative_to(checkout.path)))
    assert {job.split()[0] for job in planned} == {"train", "name_model"}


def test_a_table_that_was_changed_by_hand_is_not_reported(checkout):
    table = checkout.path / "results/report/accuracy.csv"
    table.write_text(table.read_text().replace("0.", "0.9", 1))
    tiny(checkout, title="Another")
    run = checkout.snakemake()
    assert run.returncode == 1
    assert "error: results/report/accuracy.csv: was changed after it was made; delete it and run again" in run.stdout
    table.unlink()
    assert checkout.snakemake().returncode == 0


def test_damage_is_seen_before_anything_runs(finished_study):
    """Each file cut behind its middle, edited or deleted alone; each is put back."""
    results = finished_study.results
    edited = (results / "runs/model5/seed1/metrics.json").read_text().replace('"key"', '"test_loss": 0.1, "key"')
    for name, content, expected in [
        ("report/index.html", b"<html>", {"report"}),
        ("report/accuracy.md", b"| model |", {"compare"}),
        ("report/accuracy.md", None, {"compare"}),
        ("report/accuracy.tex", None, {"compare"}),
        ("report/mistakes.csv", None, {"compare"}),
        ("report/study.json", b"{", {"study"}),
        ("figures/loss_model5.png", b"PNG", {"plot_loss model5"}),
        ("figures/loss_model5.svg", b"<svg>", {"plot_loss model5"}),
        ("figures/loss_model5.pdf", None, {"plot_loss model5"}),
        (
            "runs/model5/seed1/metrics.json",
            edited.encode(),
            evaluations(["model5"], [1]) | plots(["model5"]) | REPORT - {"study"},
        ),
        (
            "runs/model5/seed1/metrics.json",
            edited.encode()[:-30],
            evaluations(["model5"], [1]) | plots(["model5"]) | REPORT - {"study"},
        ),
    ]:
        path, status = results / name, (results / name).stat()
        before = path.read_bytes()
        path.write_bytes(content) if content is not None else path.unlink()
        jobs = finished_study.jobs(*DIGITS)
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert jobs == expected, name
    (results / "report/accuracy.md").write_text("")
    assert finished_study.jobs("results/digits/report/accuracy.csv", *DIGITS) == {"compare"}  # asked for alone
    (results / "report/accuracy.md").write_bytes((results / "report/accuracy.tex").read_bytes())
    assert finished_study.jobs(*DIGITS) == set()


def test_what_is_forced_has_its_inputs(checkout):
    """Snakemake deletes the outputs of a forced job; inputs that are gone are made again before that."""
    digest = metrics(checkout, "a", "weights_digest")
    shutil.rmtree(checkout.path / "results/data")
    assert checkout.jobs() == set()
    run = checkout.snakemake(TABLE, "--forcerun", "evaluate")
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {"prepare", "whiten", "evaluate a 1", "evaluate b 1"}
    assert checkout.jobs() == set()
    shutil.rmtree(checkout.path / "results/data")
    for forced in (["--forcerun", "train"], ["--forceall"]):
        assert {"prepare", "whiten", "train"} <= {job.split()[0] for job in checkout.jobs(*forced)}
    asked = checkout.jobs("--force", "results/runs/a/seed1/metrics.json")
    assert asked == {"prepare", "whiten", "evaluate a 1"}
    assert metrics(checkout, "a", "weights_digest") == digest


def test_a_change_of_the_evaluation_with_the_data_gone_trains_nothing(checkout):
    shutil.rmtree(checkout.path / "results/data")
    tiny(checkout, models={"a": {"test_time_augmentation": "flip"}, "b": TINY["models"]["b"]})
    jobs = run_jobs(checkout, TABLE)
    assert {"prepare", "whiten", "evaluate a 1"} <= jobs
    assert not {job for job in jobs if job.startswith("train")}


@pytest.mark.faults
def test_two_interrupted_trainings_keep_their_states(checkout):
    """A9: a state is kept per key."""
    found = {}
    for rate in (0.2, 0.3, 0.2):
        tiny(checkout, limits=TINY["limits"] | {"epochs": 200}, models={"a": {"dropout": [rate] * 3}})
        process = checkout.start("results/runs/a/seed1/metrics.json")
        states = set()
        while not states - set(found.values()) and not (rate in found and process.poll() is None and resumed(checkout)):
            assert process.poll() is None
            states = set(checkout.path.glob("results/trainings/*/seed1/checkpoint.npz"))
            time.sleep(0.02)
        found[rate] = next(iter(states - set(found.values())), found.get(rate))
        kill_trainings(process, signal.SIGTERM)
        process.communicate()
    assert len(set(found.values())) == 2
    assert all(path.exists() for path in found.values())


def resumed(checkout):
    """Tell whether a log says that a training resumed."""
    return any("resuming" in path.read_text() for path in checkout.path.glob("results/logs/train/*/seed1.log"))


def test_unused_results_are_listed_and_removed_when_asked_to(checkout):
    models = {"a": {"input": "raw"}, "b2": TINY["models"]["b"] | {"input": "raw"}}
    tiny(checkout, models=models)
    assert run_jobs(checkout, TABLE) == of("a", "b2")
    assert len(list(checkout.path.glob("results/trainings/*"))) == 4
    listed = checkout.snakemake("unused")
    assert listed.returncode == 0, listed.stdout
    assert listed.stdout.count(" MB  results/trainings/") == 2
    assert listed.stdout.count(" MB  results/data/") == 1  # whitened
    assert " MB  results/runs/b/seed1  b, trained until" in listed.stdout
    assert " MB  results/figures/loss_b.pdf  a figure" in listed.stdout
    figures = FORMATS * (len(FIGURES_OF_MODEL) + len(FIGURES_OF_WHITENING))
    assert listed.stdout.count(" MB  results/") == 2 + 1 + 1 + len(figures)
    assert len(list(checkout.path.glob("results/trainings/*"))) == 4
    assert checkout.snakemake("remove_unused").returncode == 0
    assert len(list(checkout.path.glob("results/trainings/*"))) == 2
    assert len(list(checkout.path.glob("results/data/*/"))) == 1
    assert checkout.jobs(TABLE) == set()
    assert " 0.0 MB  unused" in checkout.snakemake("unused").stdout


@pytest.mark.faults
def test_data_of_a_training_that_runs_are_not_removed(checkout):
    """The training is of another config, and its data have no other user."""
    tiny(checkout, whitening={"epsilon": 0.02}, limits={"train_images": 200, "test_images": 60, "epochs": 400})
    process = checkout.start("results/runs/a/seed1/metrics.json")
    while not list(checkout.path.glob("results/trainings/*/seed1/checkpoint.npz")):
        assert process.poll() is None
        time.sleep(0.02)
    study = checkout.path / "results/report/study.json"  # of the config before
    removed = checkout.python("scripts/unused.py", "--study", str(study), "--remove")
    assert removed.returncode == 0, removed.stdout
    assert "results/data" not in removed.stdout
    assert len(list(checkout.path.glob("results/data/*/"))) == 3
    kill_trainings(process, signal.SIGTERM)
    process.communicate()
