"""What Snakemake costs to run a study as it grows: 303 models x 1, 3 and 9 seeds, whose jobs sleep for 0.1 s.

In the place of each job's program is one that sleeps and makes its files, empty; all else is the workflow's. Beside
it, a trivial Snakefile of as many jobs that sleep. CPU seconds are Snakemake's and the jobs'.

python bench/sleeping_jobs.py
"""

import argparse
import tempfile
from pathlib import Path

import growth
import measure
import pandas as pd
import scheduler
import yaml

from ablation import plan

SLEEPING = """
import sys, time
from pathlib import Path
time.sleep(0.1)
folder = Path(sys.argv[sys.argv.index("--output") + 1])
folder.mkdir(parents=True, exist_ok=True)
for name in {names}:
    (folder / name).touch()
"""


def cost_of_a_run(models, seeds):
    """Return what running a study costs, and a trivial Snakefile of as many jobs: a row each."""
    with tempfile.TemporaryDirectory() as folder:
        folder = scheduler.checkout(Path(folder))
        (folder / "config.yaml").write_text(yaml.safe_dump(growth.config(models, seeds), sort_keys=False))
        planned = growth.plan_of(folder)
        growth.make_images(planned, 100)
        for program, names in (("train", plan.TRAINING_FILES), ("evaluate", plan.RUN_FILES)):
            (folder / f"scripts/{program}.py").write_text(SLEEPING.format(names=list(names)))
        (folder / "trivial").mkdir()
        trivial = growth.TRIVIAL.format(models=models, seeds=seeds, command="sleep 0.1; touch")
        (folder / "trivial/Snakefile").write_text(trivial)
        command = [*scheduler.SNAKEMAKE, "--cores", "20", "--scheduler", "greedy"]  # as the profile has it
        rows = {
            "trivial Snakefile": growth.measured(command, folder / "trivial"),
            "this workflow": growth.measured([*command, "--until", "evaluate"], folder),
        }
    jobs = 2 * models * seeds
    return pd.DataFrame(rows).T.assign(jobs=jobs).assign(**{"CPU, ms a job": lambda row: 1000 * row["CPU, s"] / jobs})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=303)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 3, 9])
    arguments = parser.parse_args()
    tables = {}
    for seeds in arguments.seeds:
        tables[f"{arguments.models} x {seeds}"] = cost_of_a_run(arguments.models, seeds)
        measure.report("sleeping_jobs", pd.concat(tables, names=["study", ""]))


if __name__ == "__main__":
    main()
