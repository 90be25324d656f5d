"""The workflow as a module of another one, as Snakemake documents it: prefix, pathvars, and a config of the other's."""

import re

import pytest
import yaml

from conftest import Checkout, jobs_in, write_digits
from test_reruns import TINY

SNAKEFILE = """
module study:
    snakefile: "{workflow}/Snakefile"
    config: {config}
    {more}

use rule * from study as study_*

rule all:
    default_target: True
    input: rules.study_all.input
"""


@pytest.mark.parametrize(
    ("more", "results"),
    [("", "results"), ('prefix: "sub"', "sub/results"), ('pathvars: results="elsewhere"', "elsewhere")],
    ids=["plain", "prefix", "pathvars"],
)
def test_a_study_in_another_workflow(tmp_path, more, results):
    workflow = Checkout(tmp_path / "workflow")
    other = Checkout.__new__(Checkout)
    other.path = tmp_path / "other"
    other.path.mkdir()
    write_digits(other.path)
    (other.path / "Snakefile").write_text(SNAKEFILE.format(workflow=workflow.path, config=TINY, more=more))
    planned = other.jobs()
    assert {"study_prepare", "study_report"} <= planned
    assert len(planned) == 2 + 4 + 1 + 2 + 6 + 2 * 4 + 3  # data, runs, study, tables and report, figures
    table = f"{results}/report/accuracy.csv"
    wanted = [table] if more else []  # all of it once
    run = other.snakemake(*wanted)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {job for job in planned if not more or not re.search("_plot_|_report", job)}
    assert (other.path / table).exists()
    assert more or (other.path / results / "report/index.html").exists()
    assert other.jobs(*wanted) == set()
    changed = yaml.safe_load(yaml.safe_dump(TINY)) | {"title": "Another"}
    (other.path / "Snakefile").write_text(SNAKEFILE.format(workflow=workflow.path, config=changed, more=more))
    assert other.jobs(*wanted) == {"study_study"} | (set() if more else {"study_report"})
