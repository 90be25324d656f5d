"""A study before it runs and while it does, as lines of text for a terminal of 80 columns or a log file."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation import files
from ablation.keys import bears
from ablation.plan import Plan
from ablation.report.figures import figure_paths
from ablation.report.outputs import Outputs
from ablation.report.progress import PACES, Progress, duration, recorded_accuracy

LONGEST_NAME = 32  # letters of a model's name in the grid
FIGURE = 90e3  # bytes of its three files and of the copy in the page, roughly


@dataclass(frozen=True)
class Images:
    """How many images a data set has, for training (and validation) and for testing.

    shape: height, width, channels; download: bytes of the official files.
    """

    train: int
    test: int
    shape: tuple[int, ...]
    classes: int
    download: float = 0.0


OFFICIAL = {
    "cifar10": Images(50_000, 10_000, (32, 32, 3), 10, 170e6),
    "cifar100": Images(50_000, 10_000, (32, 32, 3), 100, 169e6),
    "mnist": Images(60_000, 10_000, (28, 28, 1), 10, 12e6),
    "fashion_mnist": Images(60_000, 10_000, (28, 28, 1), 10, 31e6),
    "digits": Images(1_497, 300, (32, 32, 3), 10),
}


def images_of(plan: Plan) -> Images | None:
    """Return the images that a study is about; None where only reading them would tell how many there are."""
    path, images = plan.results / plan.images_path, OFFICIAL.get(plan.config["dataset"]["name"])
    if path.exists() and images is None:
        x_train, y_train, x_test = files.read_npz(path, "x_train", "y_train", "x_test")
        images = Images(len(x_train), len(x_test), x_train.shape[1:], int(y_train.max()) + 1)
    return images


def status(plan: Plan, width: int = 80) -> list[str]:
    """Return the lines of `make status`: a grid of models by seeds, and what there is to say of it."""
    progress, config = Progress(plan), plan.config
    cells = {model: {seed: _cell(progress, model, seed) for seed in config["seeds"]} for model in config["models"]}
    running = progress.count("running")
    lines = [
        f"{config['title']}: {count(len(config['models']), 'model')}, {count(len(config['seeds']), 'seed')}",
        f"Accuracy on {config['report_on']} images; where a training runs, its epoch and the time left",
        *_grid(cells, width),
        "",
        progress.sentence(max(running, 1)) + (f", {running} at once" if running > 1 else ""),
    ]
    shown = [cell for by_seed in cells.values() for cell in by_seed.values()]
    if any(cell.startswith("(") for cell in shown):
        lines.append("(in parentheses: from other settings, data or code; a run computes it again)")
    if any(cell.startswith("stopped") for cell in shown):
        lines.append("stopped: the next run resumes from the last saved state")
    if others := _trainings_of_others(progress):
        lines.append(f"{count(others, 'training')} of other settings on disk: snakemake --cores 1 unused lists them")
    report = plan.results / "report/index.html"
    if bears(report, Outputs(plan.study, plan.results, progress.runs).report):
        lines.append(f"The report: {report}")
    elif report.exists():
        lines.append(f"The report {report} is out of date")
    return lines


def _cell(progress: Progress, model: str, seed: int) -> str:
    plan, training = progress.plan, progress.of(model, seed)
    accuracy = recorded_accuracy(plan.results / f"runs/{model}/seed{seed}", plan.config["report_on"])
    shown = "" if accuracy is None else f"{100 * accuracy:.1f}%"
    if progress.runs[model][str(seed)]:
        return shown or "finished"
    epochs = f"{training.done}/{training.epochs}"
    if training.state == "running":
        left = progress.left(plan.training_keys[model], seed)
        return f"{epochs} {duration(left)}" if progress.measured else epochs
    if training.state == "stopped":
        return f"stopped {epochs}"
    if training.state == "finished":
        return "trained"
    return f"({shown})" if shown else "missing"


def _grid(cells: dict[str, dict[int, str]], width: int) -> list[str]:
    """Return a table of texts by model and seed; where the seeds are too many for the width, several tables."""
    names = [_shortened(model) for model in cells]
    names = names if len(set(names)) == len(names) else list(cells)
    room, left = width - max(map(len, ["seed", *names])), 0
    blocks: list[list[list[str]]] = []
    for seed in next(iter(cells.values())):
        column = [str(seed), *(by_seed[seed] for by_seed in cells.values())]
        needs = 2 + max(map(len, column))
        if needs > left:
            blocks.append([["seed", *names]])
            left = room
        blocks[-1].append(column)
        left -= needs
    return [line for block in blocks for line in ("", *aligned(list(zip(*block, strict=True))))]


def _shortened(name: str) -> str:
    """Return a name without its middle where it is longer than the grid has room for; names differ at their ends."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 2]}..{name[-half:]}"


def _trainings_of_others(progress: Progress) -> int:
    """Return the number of finished trainings below the results that the study does not refer to."""
    plan = progress.plan
    own = {plan.results / f"trainings/{key}/seed{seed}" for key, seed in progress.trainings}
    return len({path.parent for path in plan.results.glob("trainings/*/seed*/training.json")} - own)


def forecast(plan: Plan, images: Images | None, paces: Path = PACES) -> list[str]:
    """Return the lines of `make plan`: what a run would do, how long it takes, the disk, what the seeds can show.

    images: those of the data set; None where they are not known yet.
    """
    progress, config = Progress(plan, paces), plan.config
    outputs = Outputs(plan.study, plan.results, progress.runs)
    trainings = [which for which, training in progress.trainings.items() if training.state != "finished"]
    evaluations = [(model, seed) for model, by_seed in progress.runs.items() for seed in by_seed if not by_seed[seed]]
    figures = [
        name
        for name, key in outputs.figures.items()
        if not all(bears(plan.results / path, key) for path in figure_paths(name))
    ]
    lines = [
        f"{config['title']}: {count(len(config['models']), 'model')}, {count(len(config['seeds']), 'seed')}",
        f"To do: {count(len(trainings), 'training')}, {count(len(evaluations), 'evaluation')},"
        f" {count(len(figures), 'figure')}",
    ]
    if trainings and progress.unknown and not images:
        lines.append("How long that takes is known when the images are there: snakemake --cores 1 --until prepare")
    elif trainings:
        lines += ["", *_times(progress, trainings), ""]
        lines.append(f"Training, one after another: about {duration(progress.seconds_left(1))};")
        lines.append("with N at once (--cores N on CPUs, --resources gpu=N), 1/N of that at best")
        if progress.unknown:
            lines.append(f"({count(len(progress.unknown), 'model')} of unknown pace: the mean of the others)")
    if images:
        lines += _disk(progress, images, evaluations, len(figures))
    return [*lines, *_seeds(config, plan.study["facts"])]


def _times(progress: Progress, trainings: list[tuple[str, int]]) -> list[str]:
    """Return a table of the trainings to do, a row per key."""
    rows = [("model", "epochs", "an epoch", "to do", "all")]
    by_key: dict[str, list[float]] = {}
    for key, seed in trainings:
        by_key.setdefault(key, []).append(progress.left(key, seed))
    for key, left in by_key.items():
        name, *others = progress.plan.models_trained_as[key]
        epochs = progress.plan.config["models"][name]["epochs"]
        pace = f"{progress.pace[key]:.2g} s" if progress.pace[key] < 10 else duration(progress.pace[key])
        shown = _shortened(name) + (f" (and {len(others)} more)" if others else "")
        rows.append((shown, str(epochs), pace, str(len(left)), duration(sum(left))))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table of texts, the first column on the left and the others on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def _disk(progress: Progress, images: Images, evaluations: list[tuple[str, str]], figures: int) -> list[str]:
    """Return what the files that a run makes take, and how much is free where they go."""
    plan, pixels = progress.plan, math.prod(images.shape)
    number = images.train + images.test
    new = {
        "data": sum(
            size
            for path, size in {
                **{path: images.download / len(plan.source.downloads) for path in plan.source.downloads},
                plan.images_path: number * (pixels + 8),
                plan.whitened_path: number * (4 * pixels + 8) if plan.study["whitened"] else 0,
            }.items()
            if not (plan.results / path).exists()
        ),
        "runs": len(evaluations) * (images.test * (2 * images.classes + 16))
        + sum(progress.model_bytes(plan.training_keys[model]) for model, _ in evaluations),
        "figures and report": figures * FIGURE,
    }
    there = next(path for path in [plan.results, *plan.results.absolute().parents] if path.exists())
    of = ", ".join(f"{what} {_bytes(size)}" for what, size in new.items() if size)
    free = _bytes(shutil.disk_usage(there).free)
    return [f"Disk: about {_bytes(sum(new.values()))}, {free} are free", *([f"  ({of})"] if of else [])]


def _seeds(config: dict, facts: dict) -> list[str]:
    """Return how many seeds can show what, in each family of comparisons."""
    from ablation.report import statistics  # whose imports take longer than a status may

    seeds, models = len(config["seeds"]), len(config["models"]) - len(facts["same_as"])
    tests = {"with the baseline": models - 1, "all pairs": math.comb(models, 2)}
    tests |= {_shortened(name): len(family["compared"]) for name, family in facts["families"].items()}
    rows = [("comparisons", "number", "seeds needed", "difference found")]
    for name, number in tests.items():
        if number:
            fewest = statistics.seeds_needed(number)
            effect = statistics.detectable_effect(max(seeds, fewest), number)
            rows.append((name, str(number), str(fewest), f"{effect:.1f} sd with {max(seeds, fewest)} seeds"))
    if not rows[1:]:
        return []
    return [
        "",
        f"What seeds can show (there {'is' if seeds == 1 else 'are'} {seeds}):",
        *aligned(rows),
        "sd: the standard deviation of accuracy over seeds; found with 80% power",
    ]


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def count(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {what}{'s' * (number != 1)}"
