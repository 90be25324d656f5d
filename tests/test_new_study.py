"""`make new`: a folder for a study of one's own, which uses the workflow of the clone."""

import shlex

import pytest
import yaml

from conftest import Checkout, jobs_in

FILES = ["README.md", "Snakefile", "config.yaml", "network.py", "profiles/default/config.yaml"]


def make_new(clone, study):
    return clone.shell(f"make new STUDY={shlex.quote(str(study))}")


@pytest.fixture
def clone(tmp_path):
    return Checkout(tmp_path / "a clone")


@pytest.fixture
def study(clone, tmp_path):
    """The folder that `make new` makes, to run snakemake in."""
    study = Checkout.__new__(Checkout)
    study.path = tmp_path / "my study"
    made = make_new(clone, study.path)
    assert made.returncode == 0, made.stdout
    return study


def test_the_folder_has_all_that_a_study_needs(clone, study):
    files = [path.relative_to(study.path).as_posix() for path in study.path.rglob("*") if path.is_file()]
    assert sorted(files) == FILES
    assert not [name for name in files if "{clone}" in (study.path / name).read_text()]
    assert str(clone.path) in (study.path / "README.md").read_text()
    # Without it Snakemake's records of earlier runs would decide what runs again, as well as the keys.
    profile = yaml.safe_load((study.path / "profiles/default/config.yaml").read_text())
    assert profile["rerun-triggers"] == ["mtime"]


def test_the_models_are_its_own_two(study):
    planned = study.jobs()
    assert {job for job in planned if job.startswith("train ")} == {"train plain 1", "train normalized 1"}
    config = study.path / "config.yaml"
    config.write_text(config.read_text().replace("seeds: [1]", "seeds: [1"))
    wrong = study.snakemake("--dry-run")
    assert "config error: config.yaml, line 11: is not valid YAML" in wrong.stdout
    assert wrong.returncode == 1


def test_a_folder_that_exists_is_refused(clone, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("taken", "link"):
        refused = make_new(clone, tmp_path / name)
        assert refused.returncode != 0
        line = f"error: {tmp_path / name}: exists; name a new folder, as in make new STUDY=../my-study"
        assert line in refused.stdout.splitlines()  # a make that runs in a make says more
    assert not list((tmp_path / "taken").iterdir())
    unnamed = clone.shell("make new")
    assert unnamed.returncode != 0
    assert "name the folder: make new STUDY=../my-study" in unnamed.stdout


@pytest.mark.faults
def test_a_study_of_its_own_runs(study):
    """As the clone's own does: to its end, in the study's folder, and then there is nothing to be done."""
    limits = ["--config", "limits={epochs: 1, train_images: 200, test_images: 60}"]
    planned = study.jobs(*limits)
    run = study.snakemake(*limits)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == planned
    assert study.jobs(*limits) == set()
    assert (study.path / "results/report/index.html").exists()
    assert {path.name for path in (study.path / "results/runs").iterdir()} == {"plain", "normalized"}
