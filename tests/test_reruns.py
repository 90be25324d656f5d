"""A change runs exactly the jobs that it touches: the table of the README, row by row, on a finished study."""

import shutil

import pytest

from conftest import DIGITS, MODELS, Checkout, jobs_in

SEEDS = [1, 2]
PLOTS = {f"plot_model {model}" for model in MODELS}
STUDY_PLOTS = {"plot_study", "report"}
REPORT = {"compare"} | STUDY_PLOTS


def runs(models=MODELS, seeds=SEEDS):
    """Return the trainings and evaluations of models and seeds."""
    return {f"{rule} {model} {seed}" for rule in ("train", "evaluate") for model in models for seed in seeds}


def rows_of(model):
    """Return all that a model's results go through."""
    return runs([model]) | {f"plot_model {model}"} | REPORT


EVALUATIONS = {job for job in runs() if job.startswith("evaluate")}
WHITENING = {"whiten", "plot_whitening"}
BELOW_WHITENING = runs() | PLOTS | REPORT

# ruff: noqa: E501  a row a line
CONFIG = [
    ("nothing", {}, set()),
    ("epochs of model5", {"limits": {"epochs": None}, "defaults": {"epochs": 1}, "models": {"model4": {"epochs": 1}, "model5": {"epochs": 2}}}, rows_of("model5")),
    ("dropout of model5", {"models": {"model5": {"dropout": [0.1, 0.2, 0.3]}}}, rows_of("model5")),
    ("channels of model5", {"models": {"model5": {"channels": [32, 64, 64, 32]}}}, rows_of("model5")),
    ("test-time augmentation of model5", {"models": {"model5": {"test_time_augmentation": "flip"}}}, rows_of("model5") - {"train model5 1", "train model5 2"}),
    ("a variant that trains as model5", {"models": {"model9": {"batch_normalization": "before_pool", "test_time_augmentation": "flip"}}}, rows_of("model9") - {"train model9 1", "train model9 2"}),
    ("augmentation of model5", {"models": {"model5": {"flip": "random", "translation": 2}}}, rows_of("model5")),
    ("precision of model5", {"models": {"model5": {"precision": "mixed_bfloat16"}}}, rows_of("model5")),
    ("precision of all", {"defaults": {"precision": "mixed_bfloat16"}}, BELOW_WHITENING),
    ("a variant added", {"models": {"model9": {"channels": [8, 8, 8, 8]}}}, rows_of("model9")),
    ("a seed added", {"seeds": [1, 2, 3]}, runs(seeds=[3]) | PLOTS | REPORT),
    ("a seed removed", {"seeds": [2]}, PLOTS | REPORT),
    ("order of seeds", {"seeds": [2, 1]}, set()),
    ("whitening.epsilon", {"whitening": {"epsilon": 0.1}}, WHITENING | BELOW_WHITENING),
    ("whitening.fit_on", {"whitening": {"fit_on": "train"}}, WHITENING | BELOW_WHITENING),
    ("another dataset", {"dataset": {"shuffle_seed": 1}}, {"prepare"} | WHITENING | BELOW_WHITENING),
    ("a title", {"title": "Another"}, {"report"}),
    ("a description", {"models": {"model5": {"description": "Another"}}}, {"report"}),
    ("another baseline", {"baseline": "model5"}, PLOTS | REPORT),
    ("validation images of model5", {"models": {"model5": {"validation_images": "by_seed"}}}, rows_of("model5")),
    ("training.device", {"training": {"device": "auto"}}, BELOW_WHITENING),
    ("training.checkpoint_epochs", {"training": {"checkpoint_epochs": 5}}, set()),
    ("training.jobs_per_gpu", {"training": {"jobs_per_gpu": 2}}, set()),
    ("download.sources", {"download": {"sources": ["http://localhost/"]}}, set()),  # the digits need no download
]  # fmt: skip

CODE = [
    ("the network builder", "scripts/ablation/network.py", BELOW_WHITENING),
    ("the training loop", "scripts/ablation/training.py", BELOW_WHITENING),
    ("the whitening", "scripts/ablation/whitening.py", WHITENING | BELOW_WHITENING),  # see the test of identical bytes
    ("the evaluation program", "scripts/evaluate.py", EVALUATIONS | PLOTS | REPORT),
    ("the download", "scripts/ablation/download.py", set()),
    ("the plots", "scripts/ablation/figures.py", PLOTS | STUDY_PLOTS | {"plot_whitening"}),
    ("the statistics", "scripts/ablation/statistics.py", REPORT),
    ("the report's template", "scripts/ablation/templates/report.html.j2", {"report"}),
    ("the table", "scripts/ablation/table.py", REPORT),
    ("the reading of the config", "scripts/ablation/settings.py", set()),
    ("the conda environments", "envs/train.yaml", set()),
    ("the lock file", "envs/requirements.txt", set()),
    ("the README", "README.md", set()),
]  # fmt: skip


def show(change, jobs):
    """Print a row of the table; `pytest -s` shows it."""
    counts = {}
    for job in jobs:
        counts[job.split()[0]] = counts.get(job.split()[0], 0) + 1
    print(f"\n| {change} | {', '.join(f'{count} {rule}' for rule, count in counts.items()) or 'none'} |", end=" ")


@pytest.mark.parametrize(("change", "config", "expected"), CONFIG, ids=[row[0] for row in CONFIG])
def test_a_change_of_the_config(study, change, config, expected):
    jobs = study.jobs(*DIGITS, study.write("change.yaml", config))
    show(change, jobs)
    assert jobs == expected


@pytest.mark.parametrize(("change", "file", "expected"), CODE, ids=[row[0] for row in CODE])
def test_an_edit_of_a_file(study, change, file, expected):
    """The edit is a comment, which counts as any other."""
    path = study.path / file
    content = path.read_text()
    path.write_text(content + "# a comment\n")
    jobs = study.jobs(*DIGITS)
    path.write_text(content)
    show(change, jobs)
    assert jobs == expected
    assert study.jobs(*DIGITS) == set()


def test_touched_files(study):
    for path in study.path.rglob("*"):
        if ".snakemake" not in path.parts:
            path.touch()
    assert study.jobs(*DIGITS) == set()


def test_a_clone_with_the_results_copied_in(study, tmp_path):
    clone = Checkout(tmp_path)
    shutil.copy(study.path / "short.yaml", clone.path)
    for folder in ("results", ".snakemake"):
        shutil.copytree(study.path / folder, clone.path / folder, copy_function=shutil.copy, dirs_exist_ok=True)
    assert clone.jobs(*DIGITS) == set()


def test_a_variant_removed_and_the_order_of_keys(study):
    """One model less is a new table; its results stay. The order of the others' keys is nothing."""
    path = study.path / "config.yaml"
    content = path.read_text()
    before, model8 = content.split("  model8:\n")
    model8, after = model8.split("\n\n", 1)
    published = "    model8: {loss: 0.996272477233, accuracy: 0.838}\n"
    try:
        path.write_text((before + after).replace(published, ""))
        assert study.jobs(*DIGITS) == REPORT
        path.write_text(before.replace("models:\n", f"models:\n  model8:\n{model8}\n\n") + after)
        assert study.jobs(*DIGITS) == set()
    finally:
        path.write_text(content)
    assert (study.results / "runs/model8/seed1/model.keras").exists()


def test_the_same_bytes_train_nothing(study):
    """What a dry run can't know: the whitening runs again, its digests stay, and nothing is trained."""
    path = study.path / "scripts/ablation/whitening.py"
    content = path.read_text()
    path.write_text(content + "# a comment\n")
    run = study.snakemake(*DIGITS)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {"whiten"} | PLOTS | REPORT
    path.write_text(content)
    assert jobs_in(study.snakemake(*DIGITS).stdout) == {"whiten"} | PLOTS | REPORT
    assert study.jobs(*DIGITS) == set()


def test_other_test_images_are_evaluated_and_nothing_is_trained(study, tmp_path):
    clone = Checkout(tmp_path)
    shutil.copy(study.path / "short.yaml", clone.path)
    for folder in ("results", ".snakemake"):
        shutil.copytree(study.path / folder, clone.path / folder, dirs_exist_ok=True)
    fewer = clone.write("fewer.yaml", {"limits": {"test_images": 200, "epochs": 1}})
    run = clone.snakemake(*DIGITS, fewer)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {"prepare"} | WHITENING | EVALUATIONS | PLOTS | REPORT
    assert clone.jobs(*DIGITS, fewer) == set()
