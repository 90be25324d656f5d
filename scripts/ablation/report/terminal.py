"""What a run shows on the terminal: a line when a job starts and ends, how far the study is, the table at the end.

Snakemake's own lines go to its log in .snakemake/log as always. Its events, and what each has, are those of
snakemake-interface-logger-plugins. A message without an event, and a job of another workflow that a study is a module
of, is shown as Snakemake shows it.
"""

import csv
import logging
import shlex
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ablation.errors import SHOWN
from ablation.plan import Plan
from ablation.report.progress import Progress, duration, recorded_accuracy
from ablation.report.status import aligned, count
from ablation.report.wording import FEW, ROWS, TOO_FEW

CLONE = Path(__file__).resolve().parents[3]
INDENTED: dict[str, Any] = {  # how what is wrapped looks
    **{"width": 79, "initial_indent": "  ", "subsequent_indent": "    "},
    "break_on_hyphens": False,  # which names have
}
WORDS = {  # of a rule: what it works on, what it is doing, and what it has done
    "download": ("images", "downloading", "downloaded"),
    "prepare": ("images", "preparing", "prepared"),
    "whiten": ("images", "whitening", "whitened"),
    "train": ("", "training", "trained"),
    "evaluate": ("", "evaluating", "evaluated"),
    "compare": ("models", "comparing", "compared"),
    "report": ("report", "writing", "written"),
}
COUNTED = {"train": "training", "evaluate": "evaluation"}
SILENT = {"all", "study", "name_model", "unused", "remove_unused"}
CHATTER = (  # beginnings of messages without an event that say what is said here already, or nothing of the study
    "Building DAG of jobs",
    "Using shell:",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Select jobs to execute",
    "Removing output files of failed job",
    "Trying to restart job",
    "Shutting down, this might take some time",
    "Exiting because a job execution failed",
    "Reasons:",
    "This was a dry-run",
)
COMMAND_FAILED = ("returned non-zero exit status", "died with <Signals.")
FAILED = "At least one job did not complete successfully"
FIGURES = 10  # drawn between two lines


@dataclass
class Job:
    """A job of the study: its rule, what lines call it, its wildcards, and when it was started or submitted."""

    rule: str
    title: str
    wildcards: dict[str, str]
    started: float = field(default_factory=time.monotonic)


class Terminal(logging.Handler):
    """Shows the messages of Snakemake's logger: those on a study's jobs in its own lines, others by another handler.

    prefix: what Snakemake puts before the names of the study's rules, as in a module; dry_run: whether it is one.
    """

    def __init__(self, plan: Plan, other: logging.StreamHandler, prefix: str, dry_run: bool) -> None:
        super().__init__()
        self.plan, self.other, self.prefix, self.dry_run = plan, other, prefix, dry_run
        self.jobs: dict[int, Job] = {}
        self.running: set[int] = set()
        self.trainings_at_once = 1
        self.failed: set[int] = set()
        self.figures = self.drawn = self.evaluations = self.evaluated = 0
        # Each returns whether it has shown the message.
        self.events: dict[str, Callable[[Any], bool]] = {
            "run_info": self._on_run,
            "job_info": self._on_start,
            "job_finished": self._on_end,
            "job_error": self._on_error,
            "error": self._on_failure,
            **dict.fromkeys(["workflow_started", "resources_info", "job_started", "progress"], lambda record: True),
        }

    @cached_property
    def progress(self) -> Progress:
        """The state of the study when this is first asked for, and of trainings that this run ends or is at."""
        return Progress(self.plan)

    def _look_at(self, *jobs: Job) -> None:
        self.progress.update(
            [(job.wildcards["key"], int(job.wildcards["seed"])) for job in jobs if job.rule == "train"]
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message; one that another release of Snakemake words in another way, by the other handler."""
        try:
            event = getattr(record, "event", None)
            if event is None:
                shown = str(record.msg).startswith(CHATTER)
            else:
                shown = event in self.events and self.events[event](record)
        except (AttributeError, KeyError):
            shown = False
        except Exception:
            self.handleError(record)
            return
        if not shown:
            self.other.handle(record)

    def _say(self, *lines: str) -> None:
        self.other.stream.write("\n".join([*lines, ""]))
        self.other.flush()

    def _own_rule(self, name: str) -> str | None:
        """Return the name of a rule of the study without the prefix; None for one of another workflow."""
        own = name.removeprefix(self.prefix)
        is_own = own in WORDS or own in SILENT or own.startswith("plot_")
        return own if is_own and name.startswith(self.prefix) else None

    def _on_run(self, record: Any) -> bool:
        """Say what is to be done: at the start of a run; at the end of a dry run, when the jobs are known."""
        rules = {
            own: number
            for name, number in record.stats.items()
            if name != "total" and (own := self._own_rule(name)) is not None
        }
        self.figures = sum(number for rule, number in rules.items() if rule.startswith("plot_"))
        self.evaluations = rules.get("evaluate", 0)
        if len(rules) < len(record.stats) - 1:
            return False
        if not (todo := _todo(rules, {})):
            return True
        if not self.dry_run:
            self._say(f"To do: {', '.join(todo)}")
            if "train" in rules:
                self._say(f"study: {self.progress.sentence(1)}")
        elif self.jobs:
            which: dict[str, list[Job]] = {}
            for job in self.jobs.values():
                which.setdefault(job.rule, []).append(job)
            self._say("To do:")
            for item in _todo(rules, {rule: _models(which[rule]) for rule in COUNTED if rule in which}):
                self._say(textwrap.fill(item, **INDENTED))
            self._say("This was a dry run. Every job: snakemake -n -p", f"How long it takes: {_plan_command()}")
        return True

    def _on_start(self, record: Any) -> bool:
        rule = self._own_rule(record.rule_name)
        if rule is None:
            return False
        job = self.jobs[record.jobid] = Job(rule, self._title(rule, record.wildcards), record.wildcards)
        if rule in WORDS and not self.dry_run:
            self.running.add(record.jobid)
            self.trainings_at_once = max(
                self.trainings_at_once, sum(self.jobs[number].rule == "train" for number in self.running)
            )
            self._say(f"{job.title}: {WORDS[rule][1]}")
        return True

    def _title(self, rule: str, wildcards: dict[str, str]) -> str:
        if rule == "train":
            return f"{self.plan.models_trained_as[wildcards['key']][0]} seed {wildcards['seed']}"
        if rule == "evaluate":
            return f"{wildcards['model']} seed {wildcards['seed']}"
        if rule in WORDS:
            return WORDS[rule][0]
        return " ".join([rule.replace("plot_", "figure "), *wildcards.values()])

    def _on_end(self, record: Any) -> bool:
        if record.job_id not in self.jobs:
            return False
        job = self.jobs[record.job_id]
        self.running.discard(record.job_id)
        self.failed.discard(record.job_id)  # where it was tried again
        if job.rule.startswith("plot_"):
            self.drawn += 1
            if self.drawn == self.figures or self.drawn % FIGURES == 0:
                self._say(f"figures: {self.drawn} of {self.figures} drawn")
        elif job.rule == "evaluate":
            report_on, folder = self.plan.config["report_on"], "runs/{model}/seed{seed}".format(**job.wildcards)
            accuracy = recorded_accuracy(self.plan.results / folder, report_on) or 0.0
            self.evaluated += 1
            place = f" ({self.evaluated} of {self.evaluations})" if self.evaluations > 1 else ""
            self._say(f"{job.title}: {report_on} accuracy {100 * accuracy:.1f}%{place}")
        elif job.rule == "train":
            self._look_at(job, *(self.jobs[number] for number in self.running))
            seconds = self.progress.trainings[job.wildcards["key"], int(job.wildcards["seed"])].seconds
            left = self.progress.sentence(self.trainings_at_once)
            self._say(f"{job.title}: trained in {duration(seconds)}", f"study: {left}")
        elif job.rule in WORDS:
            self._say(f"{job.title}: {WORDS[job.rule][2]} in {duration(time.monotonic() - job.started)}")
        if job.rule == "report":
            report = self.plan.results / "report"
            baseline = self.plan.study["facts"]["baseline"]
            self._say("", *table(report / "accuracy.csv", baseline), "", f"The report: {report / 'index.html'}")
        return True

    def _on_error(self, record: Any) -> bool:
        """Show the line in which a failed job says why, and where its log is."""
        if self._own_rule(record.rule_name) is None:
            return False
        self.failed.add(record.jobid)
        self.running.discard(record.jobid)
        if record.jobid in self.jobs:
            self._look_at(self.jobs[record.jobid])
        title = self.jobs[record.jobid].title if record.jobid in self.jobs else record.rule_name
        line = _own_line(record.log) or record.rule_msg or "failed"
        self._say(f"{title}: {line}", *(f"    log: {path}" for path in record.log))
        return True

    def _on_failure(self, record: Any) -> bool:
        """Say what to do where Snakemake ends because jobs failed; any other error is Snakemake's to show."""
        if getattr(record, "exception", "") == "RuleException" and any(
            text in record.getMessage() for text in COMMAND_FAILED
        ):
            return True  # the job's own line follows
        if not self.failed or FAILED not in record.getMessage():
            return False
        self._say(
            f"{count(len(self.failed), 'job')} did not finish; what is done is kept.",
            "Once the cause is mended, the same command continues.",
        )
        return True


def _plan_command() -> str:
    """Return the command that says how long a run takes, as it is typed in this folder."""
    return "make plan" if Path.cwd() == CLONE else f"python {shlex.quote(f'{CLONE}/scripts/status.py')} --plan"


def take_over(plan: Plan, settings: Any, prefix: str = "") -> None:
    """Show a study's lines on the terminal in place of Snakemake's, unless its options ask for these.

    settings: Snakemake's output settings. The options are -p, --verbose, --debug-dag and any --quiet; a logger plugin
    that writes to the terminal also stays as it is. prefix: as of `Terminal`.
    """
    if settings.printshellcmds or settings.verbose or settings.debug_dag or settings.quiet:
        return
    logger = logging.getLogger("snakemake.logging")
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
            logger.addHandler(Terminal(plan, handler, prefix, settings.dryrun))


def table(path: Path, baseline: str) -> list[str]:
    """Return the lines of a table of an accuracy.csv, best first, in 80 columns."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        "model": [row["model"] for row in rows],
        f"{rows[0]['images']} accuracy, %": [f"{100 * float(row['accuracy']):.2f}" for row in rows],
    }
    if rows[0]["accuracy_sd"]:
        columns["sd"] = [f"{100 * float(row['accuracy_sd']):.2f}" for row in rows]
    if len(rows) > 1:
        columns["minus baseline"] = [
            f"{100 * float(row['baseline_difference']):+.2f}"
            if row["baseline_difference"]
            else "baseline"
            if row["model"] == baseline
            else "as baseline"
            for row in rows
        ]
    verdicts = [row["verdict"] for row in rows]
    if set(verdicts) - {"", TOO_FEW}:
        columns["on these images"] = verdicts
    if len(rows) > FEW:
        columns = {name: cells[:ROWS] for name, cells in columns.items()}
    lines = aligned(list(zip(*([name, *cells] for name, cells in columns.items()), strict=True)))
    if len(rows) > FEW:
        lines.append(f"and {len(rows) - ROWS} more: {path}")
    return [*lines, f"({TOO_FEW} for verdicts)"] if TOO_FEW in verdicts else lines


def _todo(rules: dict[str, int], models: dict[str, str]) -> list[str]:
    """Return what is to be done in words: numbers of jobs by rule, and of some rules which models."""
    figures = sum(number for rule, number in rules.items() if rule.startswith("plot_"))
    counted = [
        f"{count(rules[rule], word)}{f': {models[rule]}' if rule in models else ''}"
        for rule, word in COUNTED.items()
        if rule in rules
    ]
    others = [rule for rule in rules if rule in WORDS and rule not in COUNTED]
    return [*counted, *([count(figures, "figure")] if figures else []), *([", ".join(others)] if others else [])]


def _models(jobs: Iterable[Job]) -> str:
    """Return which models and seeds jobs are of, those with the same seeds together."""
    seeds: dict[str, list[int]] = {}
    for job in jobs:
        model, _, seed = job.title.rpartition(" seed ")
        seeds.setdefault(model, []).append(int(seed))
    models: dict[str, list[str]] = {}
    for model in sorted(seeds):
        models.setdefault(", ".join(map(str, sorted(seeds[model]))), []).append(model)
    return "; ".join(
        f"seed{'s' * (',' in numbers)} {numbers} of {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for numbers, names in models.items()
    )


def _own_line(logs: Iterable[str]) -> str:
    """Return the line in which a program says why it failed, or the last one of a traceback; "" without a log."""
    for path in logs:
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        lines = [line for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("error: ", "stopped by "))]
        if said:
            return said[-1]
        if any(line.startswith("Traceback") for line in lines):
            return f"failed; its log ends with: {lines[-1]}"
        return "ended without saying why, as a job does that is killed (out of memory?)"
    return ""
