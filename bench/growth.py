"""What a study costs as it grows: 303 models x 1, 9 and 90 seeds, a grid of a tiny network, whose results are made up.

Wall and CPU seconds and peak memory of a dry run, of status, tables, figures and page, with Snakemake's own share: a
dry run of a trivial Snakefile of as many jobs. All models' files are there, of the sizes that CIFAR-10 gives them.

python bench/growth.py
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import measure
import numpy as np
import pandas as pd
import scheduler
import yaml

CLASSES, EPOCHS, SIZE = 10, 10, 8
TRIVIAL = """
MODELS, SEEDS = range({models}), range({seeds})
rule all:
    input: expand("made/{{model}}/seed{{seed}}/metrics.json", model=MODELS, seed=SEEDS)
rule evaluate:
    input: "made/{{model}}/seed{{seed}}/model.keras"
    output: "made/{{model}}/seed{{seed}}/metrics.json"
    shell: "{command} {{output}}"
rule train:
    output: "made/{{model}}/seed{{seed}}/model.keras"
    shell: "{command} {{output}}"
"""


def config(models, seeds):
    """Return the config of a study of that many models, one and its grid, and seeds."""
    rates = [round(float(rate), 6) for rate in np.geomspace(0.011, 9, models - 1)]  # no default, which the base has
    return {
        "title": "A study that grows",
        "dataset": {"name": "digits"},
        "training": {"device": "cpu"},
        "seeds": list(range(1, seeds + 1)),
        "defaults": {"input": "raw", "channels": [4, 4, 8, 8], "epochs": EPOCHS, "batch_size": 64},
        "models": {"base": {}, "rates": {"grid": {"of": "base", "learning_rate": rates}}},
    }


def plan_of(folder):
    """Return the Plan of the study in a checkout."""
    from ablation import plan
    from ablation.settings import check, specs

    schema = specs.load_schema()
    completed = check.validate_and_fill(yaml.safe_load((folder / "config.yaml").read_text()), schema)
    return plan.Plan(completed, schema, folder / "results", folder / "digests.json")


def measured(command, folder):
    """Run a command in a folder; return its wall and CPU seconds and its peak memory in GB. Stop where it fails."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            output.seek(0)
            sys.exit(f"error: {' '.join(map(str, command))}:\n{output.read()}")
    return {"wall, s": wall, "CPU, s": usage.ru_utime + usage.ru_stime, "memory, GB": usage.ru_maxrss / 1e6}


def make_images(planned, images):
    """Write the images of a study, of noise, `images` of them to test on; return the labels of these."""
    from ablation import files

    rng = np.random.default_rng(0)
    arrays = {}
    for part, number in (("train", 1000), ("test", images)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (number, SIZE, SIZE, 3), np.uint8)
        arrays[f"y_{part}"] = np.arange(number) % CLASSES
        arrays[f"{part}_files"] = np.array([], str)
    path = planned.results / planned.images_path
    files.write_npz(path, **arrays, class_names=np.array([f"class {number}" for number in range(CLASSES)]))
    files.write_record(path.with_suffix(".json"), {"key": path.parent.name})
    return arrays["y_test"]


def make_runs(planned, labels):
    """Write trainings and evaluations of all runs that aren't there, as the programs do."""
    from ablation import files
    from ablation.keys import key_of

    rng = np.random.default_rng(len(planned.config["seeds"]))
    difficulty = np.random.default_rng(1).normal(size=len(labels))  # of each image, the same for all networks
    end = datetime(2026, 1, 1, tzinfo=UTC)
    for number, (model, by_seed) in enumerate(planned.evaluations.items()):
        ability = 1.2 + 1.2 * np.sin(3 * number / len(planned.evaluations))
        for seed, made_from in by_seed.items():
            training, run = planned.results / planned.training_path(model, seed), f"runs/{model}/seed{seed}"
            run = planned.results / run
            if (run / "metrics.json").exists():
                continue
            seconds = rng.uniform(9, 11, EPOCHS).round(3)
            history = pd.DataFrame({"epoch": np.arange(1, EPOCHS + 1)})
            for part in ("", "val_"):
                history[f"{part}loss"] = np.geomspace(2, 1 / (1 + ability), EPOCHS) + rng.normal(0, 0.01, EPOCHS)
                history[f"{part}accuracy"] = np.linspace(0.1, ability / 4, EPOCHS) + rng.normal(0, 0.005, EPOCHS)
            recorded = {
                "weights_digest": f"{rng.integers(2**63):064x}",
                "history_digest": "",
                "train_images": 900,
                "validation_images": 100,
                "train_digest": "0" * 64,
                "device": "CPU, 1 thread",
                "precision": "float32",
                "machine": "made up",
                "git_revision": "0" * 40,
                "load": 1.0,
                "cpus": 2,
                "seconds": float(seconds.sum()),
                "finished": (end + timedelta(minutes=number, seconds=seed)).isoformat(),
                "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.0", "numpy": "2.4.0"},
            }
            training.mkdir(parents=True, exist_ok=True)
            run.mkdir(parents=True, exist_ok=True)
            history.assign(seconds=seconds).to_csv(training / "history.csv", index=False)
            recorded["history_digest"] = files.file_digest(training / "history.csv")
            (training / "model.keras").write_bytes(bytes(100_000))
            trained_from = planned.trainings[model]
            key = planned.training_keys[model]
            files.write_record(training / "training.json", {"key": key, "made_from": trained_from, **recorded})

            skill = ability + rng.normal(0, 0.05)
            right = rng.random(len(labels)) < 1 / (1 + np.exp(difficulty - skill))
            predicted = np.where(right, labels, (labels + rng.choice([1, 1, 1, 3, 3, 5, 7], len(labels))) % CLASSES)
            confidence = rng.uniform(0.4, 1, (len(labels), 1))
            probabilities = np.repeat((1 - confidence) / (CLASSES - 1), CLASSES, axis=1)
            np.put_along_axis(probabilities, predicted[:, None], confidence, axis=1)
            probabilities = probabilities.astype(np.float16)
            files.write_npz(run / "predictions.npz", probabilities=probabilities, predicted=predicted, labels=labels)
            files.link_or_copy(training / "model.keras", run / "model.keras")
            for name in ("history.csv", "training.json"):
                (run / name).write_bytes((training / name).read_bytes())
            accuracy = float(np.mean(predicted == labels))
            files.write_record(
                run / "metrics.json",
                {
                    "key": key_of(made_from),
                    "model": model,
                    "seed": seed,
                    "test_loss": 2 - 2 * accuracy,
                    "test_accuracy": accuracy,
                    "test_time_augmentation": "none",
                    "test_accuracy_no_tta": accuracy,
                    "test_images": len(labels),
                    "test_digest": "1" * 64,
                    "predictions_digest": files.file_digest(run / "predictions.npz"),
                    "training_code": trained_from["code"]["syntax"],
                    "parameters": 2000,
                    "non_trainable_parameters": 0,
                    **recorded,
                    "made_from": made_from,
                },
            )


def draw_one_of_each(planned, folder):
    """Make all figures of a study: one of each kind is drawn, the others have its bytes and their own keys.

    Return what drawing takes, a row per kind, times how many there are of it; and the bytes of all.
    """
    from ablation.report.figures import catalogue, figure_paths
    from ablation.report.outputs import Outputs

    keys = Outputs(planned.study, planned.results).figures
    rows, size, drawn = {}, 0, planned.results / "figures"
    for kind in catalogue():
        names = [name for name in keys if name == kind or name.startswith(f"{kind}_")]
        if not names:
            continue
        paths = [planned.results / path for path in figure_paths(names[-1])]
        of = ["--of", names[-1].removeprefix(f"{kind}_")] if names[-1] != kind else []
        command = [sys.executable, "scripts/plot.py", "--study", "results/report/study.json", "--figure", kind, *of]
        rows[f"figure {kind} (x {len(names)})"] = measured([*command, "--output", *paths], folder)
        for name in names[:-1]:
            for path in paths:
                (drawn / f"{name}{path.suffix}").write_bytes(path.read_bytes() + keys[name].encode())
        size += len(names) * sum(path.stat().st_size for path in paths)
    return rows, size


def terminal_cost(planned, jobs):
    """Return what the lines on the terminal cost: seconds of the first, and milliseconds of each further training."""
    from ablation.report.terminal import Terminal

    with open(os.devnull, "w") as nowhere:
        terminal = Terminal(planned, logging.StreamHandler(nowhere), "", dry_run=False)
        which = [(key, seed) for key in planned.models_trained_as for seed in planned.config["seeds"]][:jobs]
        laps = [time.process_time()]
        terminal._on_run(SimpleNamespace(stats={"train": len(which), "total": len(which)}))
        laps.append(time.process_time())
        for number, (key, seed) in enumerate(which):
            wildcards = {"key": key, "seed": str(seed)}
            terminal._on_start(SimpleNamespace(rule_name="train", jobid=number, wildcards=wildcards))
            terminal._on_end(SimpleNamespace(job_id=number))
        laps.append(time.process_time())
    first, further = np.diff(laps)
    return {"terminal, start": {"CPU, s": first}, "terminal, a training": {"CPU, s": further / len(which)}}


def costs(folder, empty, models, seeds, images):
    """Return a DataFrame of what a study of that many models and seeds costs, a row per step."""
    for place in (folder, empty):
        (place / "config.yaml").write_text(yaml.safe_dump(config(models, seeds), sort_keys=False))
    trivial = empty / "trivial"
    trivial.mkdir(exist_ok=True)
    (trivial / "Snakefile").write_text(TRIVIAL.format(models=models, seeds=seeds, command="touch"))
    dry_run = [*scheduler.SNAKEMAKE, "--dry-run"]
    status = [sys.executable, "scripts/status.py"]
    rows = {
        "dry run, trivial Snakefile": measured([*dry_run, "--quiet", "all"], trivial),
        "dry run, nothing there": measured(dry_run, empty),
        "status, nothing there": measured(status, empty),
    }
    print(pd.DataFrame(rows).T, flush=True)

    planned = plan_of(folder)
    path = planned.results / planned.images_path
    if path.exists():
        from ablation import files

        (labels,) = files.read_npz(path, "y_test")
    else:
        labels = make_images(planned, images)
    make_runs(planned, labels)
    runs = folder / "results"
    rows["status, trainings there"] = measured(status, folder)
    rows["status --plan, trainings there"] = measured([*status, "--plan"], folder)
    rows |= terminal_cost(planned, 3)
    (runs / "report").mkdir(exist_ok=True)
    (runs / "report/study.json").write_text(json.dumps(planned.study, indent=2))
    tables = {name: runs / "report" / f"{name}.csv" for name in TABLES}
    tables |= {"latex": runs / "report/accuracy.tex", "markdown": runs / "report/accuracy.md"}
    tables["predictions"] = runs / "report/predictions.csv.gz"
    program = [sys.executable, "scripts/compare.py", "--study", "results/report/study.json"]
    rows["tables"] = measured([*program, *(f"--{name}={path}" for name, path in tables.items())], folder)
    print(pd.DataFrame(rows).T, flush=True)
    figures, size = draw_one_of_each(planned, folder)
    rows |= figures
    page = runs / "report/index.html"
    program = [sys.executable, "scripts/report.py", "--study", "results/report/study.json"]
    rows["page"] = measured([*program, "--output", page], folder)
    rows["dry run, all there"] = measured(dry_run, folder)
    rows["status, all there"] = measured(status, folder)
    sizes = {"page": page.stat().st_size, "figures": size}
    sizes |= {name: path.stat().st_size for name, path in tables.items()}
    print(
        f"\n{models} models x {seeds} seeds, MB: " + ", ".join(f"{of} {size / 1e6:.1f}" for of, size in sizes.items())
    )
    used = subprocess.run(["du", "-sm", runs], capture_output=True, text=True, check=True).stdout.split()[0]
    print(f"disk, MB: {used} in all, {int(used) / (models * seeds):.3f} a run")
    return pd.DataFrame(rows).T.rename_axis("step")


TABLES = ("accuracy", "comparisons", "confusion", "classes", "mistakes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=303)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 9, 90])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--folder", help="for the results, 12 GB by default; a temporary one by default")
    arguments = parser.parse_args()
    os.fsync = lambda handle: None  # what is made up may be lost
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, tempfile.TemporaryDirectory() as empty:
        folder, empty = scheduler.checkout(Path(folder)), scheduler.checkout(Path(empty))
        tables = {}
        for seeds in sorted(arguments.seeds):
            tables[f"{arguments.models} x {seeds}"] = costs(folder, empty, arguments.models, seeds, arguments.images)
    measure.report("growth", pd.concat(tables, names=["study", "step"]))


if __name__ == "__main__":
    main()
