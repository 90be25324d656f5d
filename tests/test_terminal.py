"""What a run prints: messages of Snakemake's logger as a terminal shows them."""

import io
import logging
import re
import types

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from ablation import files
from ablation.report import terminal
from conftest import ROOT
from test_progress import Made


class Shown:
    """A logger with a Terminal in front of Snakemake's own handler, both on one stream of text."""

    def __init__(self, made, prefix="", dry_run=False):
        self.stream, self.made = io.StringIO(), made
        other = ColorizingTextHandler(stream=self.stream)
        other.setFormatter(DefaultFormatter())
        self.handler = terminal.Terminal(made.plan, other, prefix, dry_run)

    def log(self, event, message="", level=logging.INFO, **entries):
        """Log a message and return the lines that it adds."""
        before = len(self.stream.getvalue())
        record = logging.LogRecord("snakemake.logging", level, "", 0, message, (), None)
        vars(record).update(entries, **({"event": event} if event else {}))
        self.handler.emit(record)
        return self.stream.getvalue()[before:].splitlines()

    def run(self, **stats):
        return self.log(LogEvent.RUN_INFO, "Job stats", stats={**stats, "total": sum(stats.values())})

    def start(self, jobid, rule, **wildcards):
        nothing = dict.fromkeys(["rule_msg", "reason", "benchmark", "shellcmd"])
        nothing |= {"input": [], "output": [], "log": [], "resources": {}, "local": False, "is_checkpoint": False}
        nothing |= {"priority": 0, "threads": 1}
        return self.log(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, wildcards=wildcards, **nothing)

    def end(self, jobid):
        return self.log(LogEvent.JOB_FINISHED, f"Finished jobid: {jobid}", job_id=jobid)

    def fail(self, jobid, rule, *logs, message=None):
        entries = {"rule_name": rule, "rule_msg": message, "jobid": jobid, "log": list(map(str, logs))}
        return self.log(LogEvent.JOB_ERROR, level=logging.ERROR, **entries)


@pytest.fixture
def shown(tmp_path, schema):
    return Shown(Made(tmp_path, schema))


def test_a_run_of_two_jobs(shown):
    made = shown.made
    key = made.plan.training_keys["large"]
    assert shown.run(train=6, evaluate=9, plot_loss=3, plot_curves=1, compare=1, report=1, study=1, all=1) == [
        "To do: 6 trainings, 9 evaluations, 4 figures, compare, report",
        "study: 0% of the training done (0 of 6)",
    ]
    assert shown.start(1, "train", key=key, seed="2") == ["large seed 2: training"]
    made.train("large", 2, 240)
    assert shown.end(1) == [
        "large seed 2: trained in 4 min",
        "study: 22% of the training done (1 of 6); about 14 min of training left",
    ]
    assert shown.start(2, "evaluate", model="large", seed="2") == ["large seed 2: evaluating"]
    made.evaluate("large", 2, 0.8176)
    assert shown.end(2) == ["large seed 2: test accuracy 81.8% (1 of 9)"]


def test_the_time_left_is_of_as_many_trainings_as_run_at_once(shown):
    made = shown.made
    for number, seed in enumerate(("1", "2")):
        shown.start(number, "train", key=made.plan.training_keys["large"], seed=seed)
    made.train("large", 1, 240)
    assert shown.end(0)[1].endswith("about 7 min of training left")


def test_what_is_no_job_of_its_own_is_silent(shown):
    for event in (LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.JOB_STARTED, LogEvent.PROGRESS):
        assert shown.log(event, "x", done=1, total=2) == []
    for message in ("Building DAG of jobs...", "Select jobs to execute..."):
        assert shown.log(None, message) == []
    assert shown.run(unused=1) == shown.start(1, "unused") == shown.end(1) == []
    assert shown.log(None, "Nothing to be done (all requested files are present and up to date).") != []


def test_figures_are_counted(shown):
    shown.run(plot_loss=12, report=1)
    lines = [line for number in range(12) for line in shown.start(number, "plot_loss", model="x") + shown.end(number)]
    assert lines == ["figures: 10 of 12 drawn", "figures: 12 of 12 drawn"]


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("epoch 1\nerror: out of memory\n", "error: out of memory"),
        ("Traceback (most recent call last):\n  x\nKeyError: 'x'\n\n", "failed; its log ends with: KeyError: 'x'"),
        ("stopped by SIGTERM in epoch 3; rerun to resume\n", "stopped by SIGTERM in epoch 3; rerun to resume"),
        ("epoch 1\nI0000 no GPU\n", "ended without saying why, as a job does that is killed (out of memory?)"),
        (None, "Slurm says: OUT_OF_MEMORY"),
    ],
)
def test_a_failed_job_says_why_once(shown, tmp_path, log, line):
    path = tmp_path / "train.log"
    if log:
        path.write_text(log)
    shown.start(1, "train", key=shown.made.plan.training_keys["large"], seed="2")
    for text in terminal.COMMAND_FAILED:
        command = f"CalledProcessError in line 30:\nCommand 'x' {text} 1."
        assert shown.log(LogEvent.ERROR, command, level=logging.ERROR, exception="RuleException") == []
    failed = shown.fail(1, "train", path, message="Slurm says: OUT_OF_MEMORY")
    assert failed == [f"large seed 2: {line}", f"    log: {path}"]
    end = shown.log(
        LogEvent.ERROR, f"WorkflowError:\n{terminal.FAILED}.", level=logging.ERROR, exception="WorkflowError"
    )
    assert end == [
        "1 job did not finish; what is done is kept.",
        "Once the cause is mended, the same command continues.",
    ]


def test_an_event_without_what_is_read_of_it_is_shown_as_snakemake_does(shown):
    assert shown.log(LogEvent.RUN_INFO, "Job stats") == ["Job stats"]
    assert shown.log("another_event", "of a later release") == ["of a later release"]
    assert shown.log(LogEvent.ERROR, "without its class", level=logging.ERROR) == ["without its class"]


def test_a_job_that_is_tried_again_counts_once(shown):
    for jobid in (1, 2):
        shown.start(jobid, "evaluate", model="large", seed=str(jobid))
        assert shown.fail(jobid, "evaluate") == [f"large seed {jobid}: failed"]
        shown.fail(jobid, "evaluate")
    shown.made.evaluate("large", 1, 0.5)
    shown.end(1)
    end = shown.log(LogEvent.ERROR, terminal.FAILED, level=logging.ERROR, exception="WorkflowError")
    assert end[0].startswith("1 job did not finish")


def test_an_error_of_snakemakes_is_shown(shown):
    error = {"level": logging.ERROR, "exception": "MissingInputException"}
    assert shown.log(LogEvent.ERROR, "Missing input files", **error) == ["Missing input files"]


def test_a_dry_run_says_which_models(tmp_path, schema, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = Shown(Made(tmp_path, schema), dry_run=True)
    stats = {"prepare": 1, "train": 3, "evaluate": 1, "plot_loss": 20, "all": 1}
    assert shown.run(**stats) == []
    keys = shown.made.plan.training_keys
    for number, (model, seed) in enumerate([("small", "1"), ("large", "1"), ("small", "2")]):
        assert shown.start(number, "train", key=keys[model], seed=seed) == []
    shown.start(3, "evaluate", model="small_tta", seed="3")
    assert shown.run(**stats) == [
        "To do:",
        "  3 trainings: seed 1 of large; seeds 1, 2 of small",
        "  1 evaluation: seed 3 of small_tta",
        "  20 figures",
        "  prepare",
        "This was a dry run. Every job: snakemake -n -p",
        f"How long it takes: python {terminal.CLONE}/scripts/status.py --plan",
    ]


def test_jobs_of_another_workflow_are_shown_as_snakemake_does(tmp_path, schema):
    """A study as a module has its rules under a prefix."""
    shown = Shown(Made(tmp_path, schema), prefix="study_")
    assert shown.start(1, "study_evaluate", model="large", seed="2") == ["large seed 2: evaluating"]
    assert "rule evaluate:" in shown.start(2, "evaluate", model="large", seed="2")
    assert shown.end(2)[-1] == "Finished jobid: 2"
    assert shown.run(study_train=1, plots=1) == ["Job stats"]


@pytest.mark.parametrize("verdict", ["better", "too few seeds"])
def test_at_the_end_the_table(shown, verdict):
    report = shown.made.plan.results / "report"
    rows = [
        "model,images,accuracy,accuracy_sd,baseline_difference,verdict",
        f"{'x' * 40},test,0.8234,0.0021,0.0112,{verdict}",
        "small,test,0.8122,0.01,,",
        "small_tta,test,0.8122,0.01,,",
    ]
    files.write_text(report / "accuracy.csv", "\n".join(rows) + "\n")
    shown.start(1, "report")
    end = shown.end(1)
    assert end[0].startswith("report: written in ")
    assert [line.split()[:4] for line in end[3:6]] == [
        ["x" * 40, "82.34", "0.21", "+1.12"],
        ["small", "81.22", "1.00", "baseline"],
        ["small_tta", "81.22", "1.00", "as"],
    ]
    assert ("(too few seeds for verdicts)" in end) == (verdict == "too few seeds")
    assert end[-1] == f"The report: {report}/index.html"


def test_the_table_of_one_model_and_seed_is_its_accuracy(tmp_path):
    path = tmp_path / "accuracy.csv"
    path.write_text("model,images,accuracy,accuracy_sd,baseline_difference,verdict\nsmall,test,0.8122,,,\n")
    assert [line.split() for line in terminal.table(path, "small") if line] == [
        ["model", "test", "accuracy,", "%"],
        ["small", "81.22"],
    ]


def test_a_job_that_fails_before_it_started_is_named_by_its_rule(shown):
    assert shown.fail(7, "train", message="no node is free") == ["train: no node is free"]


@pytest.mark.parametrize(
    "said", ["Conda environments: ignored", "Singularity containers: ignored", "Select jobs to execute..."]
)
def test_what_snakemake_says_of_nothing_in_the_study_is_silent(shown, said):
    assert shown.log(None, said) == []


@pytest.mark.parametrize("asked", [None, "verbose", "printshellcmds", "debug_dag", "quiet"])
def test_options_of_snakemakes_bring_its_own_lines(shown, monkeypatch, asked):
    options = dict.fromkeys(["verbose", "printshellcmds", "debug_dag", "quiet", "dryrun"], False)
    logger, stream = logging.getLogger("snakemake.logging"), logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(logger, "handlers", [stream])
    terminal.take_over(shown.made.plan, types.SimpleNamespace(**options | ({asked: True} if asked else {})))
    assert isinstance(logger.handlers[0], terminal.Terminal) == (asked is None)
    terminal.take_over(shown.made.plan, types.SimpleNamespace(**options))  # of a second study
    assert [type(handler) for handler in logger.handlers] == [terminal.Terminal]


def test_every_rule_has_words():
    rules = {rule for path in ROOT.glob("rules/*.smk") for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M)}
    assert rules | {"all", "unused", "remove_unused"} == set(terminal.WORDS) | terminal.SILENT


def test_a_dry_run_of_the_seven_models_is_short(finished_study):
    run = finished_study.shell("python -m snakemake -n --forceall --configfile config/digits.yaml short.yaml")
    lines = run.stdout.splitlines()[run.stdout.splitlines().index("To do:") :]
    assert lines[1].startswith("  14 trainings: seeds 1, 2 of model2, model3, model4, ")
    assert len(lines) == 9
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "How long it takes: make plan"
