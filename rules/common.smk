# The config, checked; the plan that it makes: what decides every result, and which results are there; what the rules share.
import json
import os
import sys
from pathlib import Path

HOME = Path(workflow.current_basedir).parent
SCRIPTS = os.path.relpath(HOME / "scripts")
# The library next to these rules, whichever copy of it is installed: keys are digests of its code.
sys.path.insert(0, str(HOME / "scripts"))
# Jobs find the Python that runs Snakemake, whether its environment is activated or not.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from ablation import folder, plan
from ablation.errors import InputError
from ablation.keys import bears
from ablation.report.figures import catalogue
from ablation.report.outputs import Outputs
from ablation.settings import check, specs

RESULTS = Path(workflow.pathvars.apply(workflow.modifier.path_modifier.modify("<results>")))
TRIGGER = folder.trigger(Path(".snakemake").absolute())  # a module's prefix is for relative paths
FIGURES, TABLES = catalogue(), ["accuracy", "comparisons"]
try:
    config = check.validate_and_fill(config, specs.load_schema())
    PLAN = plan.Plan(config, specs.load_schema(), RESULTS, Path(".snakemake/digests.json"))
    OUTPUTS = Outputs(PLAN.study, RESULTS)
except InputError as error:
    sys.exit(f"config error: {error}")

ALL_FIGURES = expand("<results>/figures/{name}.png", name=OUTPUTS.figures)

if workflow.is_main_process:
    ALIVE = folder.remove_stale_locks(Path(".snakemake"))
    for line in PLAN.notes(OUTPUTS.runs):
        print(line, file=sys.stderr)


wildcard_constraints:
    key="|".join(sorted(set(PLAN.training_keys.values()))),
    model="|".join(PLAN.trainings),
    seed="|".join(map(str, config["seeds"])),


onstart:
    try:
        folder.check_writable(RESULTS)
    except InputError as error:
        sys.exit(f"error: {error}")


def those_that_exist(files):
    """Return a file if it is on disk, or those of several that are."""
    if isinstance(files, str):
        return files if Path(files.replace("<results>", str(RESULTS))).exists() else []
    return [file for file in files if those_that_exist(file)]


def planned(there, path, **files):
    """Return the inputs of a job by name, such that it runs unless its output is there as it is planned.

    path: the output that bears the key, below the results. So content decides what is made again, not times or
    Snakemake's records. Inputs that are gone are not made for an output that is there.
    """
    files["trigger"] = TRIGGER
    if there:
        return {name: ancient(those_that_exist(file)) for name, file in files.items()}
    try:
        if workflow.is_main_process:
            folder.mark_outdated(RESULTS / path)
    except InputError as error:
        sys.exit(f"error: {error}")
    return files


def written(name, key, **files):
    """Return the inputs of a job that writes a file of report/, as `planned`."""
    return planned(bears(RESULTS / "report" / name, key), f"report/{name}", **files)


def data_to_train(wildcards):
    """Return the images of a training; none where it is finished and they are gone, so that they aren't made for it."""
    path = PLAN.data_path(PLAN.models_trained_as(wildcards.key)[0])
    gone = PLAN.is_trained(wildcards.key, wildcards.seed) and not (RESULTS / path).exists()
    return [] if gone else ancient(f"<results>/{path}")


def arguments_of_training(wildcards, input):
    """Return arguments of train.py. As a function of `input` they are nothing that Snakemake compares with earlier runs."""
    name = PLAN.models_trained_as(wildcards.key)[0]
    arguments = {
        "name": name,
        "data": RESULTS / PLAN.data_path(name),
        "spec": specs.model_spec(config, name).to_json(),
        "made-from": json.dumps(PLAN.trainings[name]),
    } | config["training"]
    return [f"--{key.replace('_', '-')}={value}" for key, value in arguments.items()]


def inputs_of_evaluation(wildcards):
    """Return a model's images and the files of its training, as `planned`."""
    model, seed = wildcards.model, wildcards.seed
    return planned(
        OUTPUTS.runs[model][seed] is not None,
        f"runs/{model}/seed{seed}/metrics.json",
        data=f"<results>/{PLAN.data_path(model)}",
        training=expand(
            f"<results>/{PLAN.training_path(model, seed)}/{{name}}", name=plan.TRAINING_FILES
        ),
    )


def runs_of(*models):
    """Return the metrics.json of all runs of models, which stands for what is next to it."""
    file = "<results>/runs/{model}/seed{seed}/metrics.json"
    return expand(file, model=dict.fromkeys(models), seed=config["seeds"])


def inputs_of_figure(name):
    """Return a function to what a figure is drawn from, as `planned`."""

    def of_wildcards(wildcards):
        stem = f"{name}_{wildcards.model}" if FIGURES[name].scope == "model" else name
        path = f"figures/{stem}.png"
        results = {
            "study": lambda: expand("<results>/report/{name}.csv", name=TABLES),
            "model": lambda: runs_of(wildcards.model, config["baseline"]),
            "whitening": lambda: f"<results>/{PLAN.whitened_path}",
        }
        return planned(
            bears(RESULTS / path, OUTPUTS.figures[stem]),
            path,
            study="<results>/report/study.json",
            images=f"<results>/{PLAN.images_path}",
            results=results[FIGURES[name].scope](),
        )

    return of_wildcards


def scaled_memory(megabytes):
    """Return what a job asks for as mem_mb: twice as much when it is tried again, in case that was too little.

    Not more at further attempts: on a cluster a training comes back as often as its time runs out.
    """

    def of_attempt(wildcards, attempt):
        return megabytes * min(attempt, 2)

    return of_attempt
