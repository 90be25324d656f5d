# The config, checked; the plan that it makes: what decides every result, and which results are there; what the rules share.
import json
import os
import sys
from pathlib import Path

SCRIPTS = os.path.relpath(HOME / "scripts")
# Jobs find the Python that runs Snakemake, whether its environment is activated or not.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from ablation import errors, folder, plan
from ablation.keys import bears
from ablation.report.figures import catalogue, figure_paths, names
from ablation.report import terminal
from ablation.report.outputs import TABLE_FILES, Outputs
from ablation.settings import check, specs

RESULTS = Path(workflow.pathvars.apply(workflow.modifier.path_modifier.modify("<results>")))
RULE_NAME = workflow.modifier.modify_rulename  # adds the prefix of a module
# Absolute, since a module's prefix is for relative paths.
TRIGGER = errors.run(lambda: folder.trigger(Path(".snakemake").absolute()))
try:
    for name in ("results", "logs", "benchmarks"):
        folder.check_name(name, workflow.pathvars.apply(f"<{name}>"))
    config = text.as_written(config, PLACES, specs.load_schema())
    config = check.validate_and_fill(config, specs.load_schema())
    PLAN = plan.Plan(config, specs.load_schema(), RESULTS, Path(".snakemake/digests.json"))
    OUTPUTS = Outputs(PLAN.study, RESULTS)
except InputError as error:
    sys.exit(f"config error: {text.located(error, PLACES)}")

FIGURES, TABLES = catalogue(config["report_on"]), ["accuracy", "comparisons"]
ALL_FIGURES = [f"<results>/{path}" for name in OUTPUTS.names for path in figure_paths(name)]

if workflow.is_main_process:
    ALIVE = errors.run(lambda: folder.remove_stale_locks(Path(".snakemake")))
    for line in PLAN.notes(OUTPUTS.runs):
        print(line, file=sys.stderr)
    terminal.take_over(PLAN, workflow.output_settings, RULE_NAME(""))


wildcard_constraints:
    key="|".join(sorted(set(PLAN.training_keys.values()))),
    model="|".join(PLAN.trainings).replace(".", "[.]"),
    family="|".join(config["families"]).replace(".", "[.]"),
    seed="|".join(map(str, config["seeds"])),


onstart:
    errors.run(lambda: folder.check_writable(RESULTS))


def needed(files, rule, paths):
    """Return those of the inputs of a finished job that are on disk; all where `-F`, `-R` or `-f` runs it again."""
    dag = workflow.dag_settings
    forced = {*dag.forcerun, *(dag.targets if dag.forcetargets else [])}
    if dag.forceall or forced & {RULE_NAME(rule), *(f"{RESULTS}/{path}" for path in paths)}:
        return files
    files = [files] if isinstance(files, str) else files
    return [file for file in files if Path(file.replace("<results>", str(RESULTS))).exists()]


def planned(there, rule, paths, **files):
    """Return the inputs of a job by name, such that it runs unless its outputs are there as they are planned.

    paths: the outputs, below the results. So content decides what is made again, not times or Snakemake's records.
    Inputs that are gone are not made for outputs that are there.
    """
    files["trigger"] = TRIGGER
    if there:
        return {name: ancient(needed(file, rule, paths)) for name, file in files.items()}
    for path in paths if workflow.is_main_process else []:
        errors.run(lambda: folder.mark_outdated(RESULTS / path))
    return files


def written(rule, names, key, **files):
    """Return a function to the inputs of a job that writes files of report/, as `planned`; the last one bears key()."""
    paths = [f"report/{name}" for name in names]
    return lambda wildcards: planned(bears(RESULTS / paths[-1], key()), rule, paths, **files)


def data_to_train(wildcards):
    """Return the images of a training; those of a finished one as `needed`."""
    key, seed = wildcards.key, wildcards.seed
    data = f"<results>/{PLAN.data_path(PLAN.models_trained_as[key][0])}"
    finished = PLAN.is_trained(key, seed)
    return ancient(needed(data, "train", PLAN.training_files(key, seed)) if finished else data)


def arguments_of_training(wildcards, input):
    """Return arguments of train.py. As a function of `input` they are nothing that Snakemake compares with earlier runs."""
    name = PLAN.models_trained_as[wildcards.key][0]
    arguments = (
        {
            "name": name,
            "data": RESULTS / PLAN.data_path(name),
            "spec": specs.model_spec(config, name).to_json(),
            "made-from": json.dumps(PLAN.trainings[name]),
        }
        | config["training"]
        | {"log_to": ",".join(config["training"]["log_to"])}
    )
    return [f"--{key.replace('_', '-')}={value}" for key, value in arguments.items()]


def inputs_of_evaluation(wildcards):
    """Return a model's images and the files of its training, as `planned`."""
    model, seed, key = wildcards.model, wildcards.seed, PLAN.training_keys[wildcards.model]
    return planned(
        OUTPUTS.runs[model][seed] is not None,
        "evaluate",
        [f"runs/{model}/seed{seed}/{name}" for name in plan.RUN_FILES],
        data=f"<results>/{PLAN.data_path(model)}",
        training=[f"<results>/{path}" for path in PLAN.training_files(key, seed)],
    )


def runs_of(*models):
    """Return the metrics.json of all runs of models, which stands for what is next to it."""
    path = "<results>/runs/{model}/seed{seed}/metrics.json"
    return expand(path, model=dict.fromkeys(models), seed=config["seeds"])


def inputs_of_figure(name):
    """Return a function to what a figure is drawn from, as `planned`."""

    def of_wildcards(wildcards):
        stem = "_".join([name, *wildcards])
        paths, key = figure_paths(stem), OUTPUTS.figure(name, *wildcards)
        results = {
            "runs": lambda: runs_of(wildcards.model, config["baseline"]),
            "whitening": lambda: f"<results>/{PLAN.whitened_path}",
        }.get(OUTPUTS.drawn_from(name), lambda: expand("<results>/report/{name}.csv", name=TABLES))
        return planned(
            all(bears(RESULTS / path, key) for path in paths),
            f"plot_{name}",
            paths,
            study="<results>/report/study.json",
            images=f"<results>/{PLAN.images_path}",
            results=results(),
        )

    return of_wildcards


def scaled_memory(megabytes):
    """Return what a job asks for as mem_mb: twice as much when it is tried again, in case that was too little.

    Not more at further attempts: on a cluster a training comes back as often as its time runs out.
    """
    return lambda wildcards, attempt: megabytes * min(attempt, 2)
