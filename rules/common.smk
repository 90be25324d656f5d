# The config, read and checked once, and the functions that the rules share.
import fcntl
import json
import os
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import yaml

SCRIPTS = Path(workflow.basedir) / "scripts"
TEMPLATE = os.path.relpath(SCRIPTS / "ablation/templates/report.html.j2")
sys.path.insert(0, str(SCRIPTS))
# Jobs find the Python that runs Snakemake, whether its environment is activated or not.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from ablation import settings
from ablation.errors import InputError

try:
    schema = yaml.safe_load(
        (Path(workflow.basedir) / "rules/schemas/config.schema.yaml").read_text()
    )
    config = settings.complete(config, schema)
    for key in ("archive", "path"):
        if config["dataset"][key] and not Path(config["dataset"][key]).is_file():
            raise InputError(f"dataset.{key}: no such file '{config['dataset'][key]}'")
except InputError as error:
    sys.exit(f"config error: {error}")


# Under whose name each model is trained; a study of many seeds asks for every job.
TRAINED_AS = {model: settings.trained_as(config, model) for model in config["models"]}


wildcard_constraints:
    model="[A-Za-z0-9_-]+",
    seed="[0-9]+",


def share_folder():
    """Remove the locks of a Snakemake that was killed; return a file to keep open.

    Every Snakemake shares a lock on that file, which the system frees when the process dies. One that
    gets the lock alone knows that whoever left Snakemake's own locks here is dead.
    """
    locks = Path(".snakemake/locks")
    locks.mkdir(parents=True, exist_ok=True)
    alive = open(".snakemake/alive", "w")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in locks.glob("*.lock"):
            lock.unlink()
    except BlockingIOError:
        pass
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive


if workflow.is_main_process:
    ALIVE = share_folder()


def check_results():
    """End with one line where the results can't be written; Snakemake's own error would be a traceback."""
    folder = Path((config.get("pathvars") or {}).get("results", "results"))
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    if not os.access(existing, os.W_OK):
        sys.exit(f"error: {folder}: can't be written (a read-only disk, or somebody else's folder)")


onstart:
    check_results()


def code_of(script):
    """Return a script of scripts/ and every local module that it imports, as inputs of its rule."""
    finder = ModuleFinder(path=[str(SCRIPTS)])
    finder.run_script(str(SCRIPTS / script))
    files = [found.__file__ for name, found in finder.modules.items() if name != "__main__"]
    return [os.path.relpath(file) for file in [SCRIPTS / script, *sorted(filter(None, files))]]


def source_of_images(wildcards):
    """Return the file that the dataset is read from; the digits have none."""
    dataset = config["dataset"]
    if dataset["name"] == "cifar10" and dataset["archive"] is None:
        return ancient("<results>/data/cifar-10-python.tar.gz")
    return dataset["archive"] or dataset["path"] or []


def sources_of_archive(wildcards):
    """Return the addresses of the archive."""
    return config["download"]["sources"]


def limits_of_images():
    """Return the arguments of prepare.py that cut a dataset short."""
    limits = {
        "--train-images": config["limits"]["train_images"],
        "--test-images": config["limits"]["test_images"],
    }
    return " ".join(f"{option} {limit}" for option, limit in limits.items() if limit is not None)


def images_of_model(wildcards):
    """Return the npz of a model's images. It is ancient(): its digests decide what runs again."""
    whitened = config["models"][wildcards.model]["input"] == "zca"
    return ancient("<results>/data/zca.npz" if whitened else "<results>/data/images.npz")


def digests_of_model(wildcards):
    """Return the outputs of the checkpoint that makes a model's images.

    A checkpoint, since Snakemake looks again at what follows one, and then the digests are known.
    """
    whitened = config["models"][wildcards.model]["input"] == "zca"
    return (checkpoints.whiten if whitened else checkpoints.prepare).get().output


def digests_to_whiten(wildcards):
    """Return the digests of the training and of the test images that are whitened."""
    prepared = checkpoints.prepare.get().output
    return [prepared.train_digest, prepared.test_digest]


def digest_to_train(wildcards):
    """Return the digest of the training images of a model."""
    return digests_of_model(wildcards).train_digest


def digest_to_evaluate(wildcards):
    """Return the digest of the test images of a model."""
    return digests_of_model(wildcards).test_digest


def spec_of_model(wildcards):
    """Return a model's settings as sorted JSON, the only part of the config that its training sees."""
    return settings.model_spec(config, wildcards.model).to_json()


def test_time_augmentation(wildcards):
    """Return what a model's test predictions are averages of."""
    return config["models"][wildcards.model]["test_time_augmentation"]


def trained(name):
    """Return a function to the file `name` of the training of a model and seed, which models that train alike share."""

    def of_training(wildcards):
        model = TRAINED_AS[wildcards.model]
        return f"<results>/runs/{model}/seed{wildcards.seed}/{name}"

    return of_training


def gpu_of_training():
    """Return the GPU that a training job asks for: none on the CPU, so that jobs run side by side."""
    return {} if config["training"]["device"] == "cpu" else {"gpu": 1}


def growing(megabytes):
    """Return what a job asks for as mem_mb: twice as much when it is tried again, in case that was too little.

    Not more at further attempts: on a cluster a training comes back as often as its time runs out.
    """

    def of_attempt(wildcards, attempt):
        return megabytes * min(attempt, 2)

    return of_attempt


def of_seeds(model, name):
    """Return the file `name` of every seed of a model; "{model}" is the rule's own."""
    return expand(
        "<results>/runs/{model}/seed{seed}/{name}", model=model, seed=config["seeds"], name=name
    )


def of_all_runs(name):
    """Return the file `name` of every model and seed."""
    return [file for model in config["models"] for file in of_seeds(model, name)]


def histories_of(models):
    """Return the history.csv of every seed of some models, from where they are trained."""
    return [file for model in models for file in of_seeds(TRAINED_AS[model], "history.csv")]


def histories_of_model(wildcards):
    """Return the history.csv of every seed of a model."""
    return histories_of([wildcards.model])


def test_images_digest(wildcards):
    """Return the digest of the test images as they were before any whitening."""
    return checkpoints.prepare.get().output.test_digest


def whitened_digests(wildcards):
    """Return the digests of the whitened training and test images."""
    whitened = checkpoints.whiten.get().output
    return [whitened.train_digest, whitened.test_digest]


FIGURES = {
    "curves": "learning curves of all models",
    "accuracies": "accuracy by model",
    "differences": "pairwise differences",
    "classes": "accuracy by class",
    "calibration": "calibration",
    "cost": "accuracy against cost",
}
FIGURES_OF_MODEL = {
    "loss": "loss by epoch",
    "accuracy": "accuracy by epoch",
    "confusion": "confusion matrix",
    "mistakes": "surest mistakes",
}
FIGURES_OF_WHITENING = {
    "whitening": "images before and after",
    "filters": "filters",
    "eigenvalues": "eigenvalues",
}


def all_figures():
    """Return every figure of the study."""
    names = [
        *FIGURES,
        *(f"{name}_{model}" for model in config["models"] for name in FIGURES_OF_MODEL),
    ]
    if any(model["input"] == "zca" for model in config["models"].values()):
        names += FIGURES_OF_WHITENING
    return expand("<results>/figures/{name}.png", name=names)


def rows_of_table(wildcards):
    """Return, as JSON by model, what the table says besides the results."""
    published = (config["published"] or {"models": {}})["models"]
    return json.dumps(
        {
            name: {
                "differs": settings.difference(config, name),
                "epochs": settings.model_spec(config, name).epochs,
                "published_loss": published.get(name, {}).get("loss"),
                "published_accuracy": published.get(name, {}).get("accuracy"),
            }
            for name in config["models"]
        },
        sort_keys=True,
    )


def study_of_report(wildcards):
    """Return, as JSON, what the report says about the study besides its results."""
    return json.dumps(
        {
            "title": config["title"],
            "descriptions": {
                name: model.get("description", "") for name, model in config["models"].items()
            },
            "baseline": config["baseline"],
            "defaults": settings.defaults_in_words(config),
            "varying": settings.varying(config),
            "inputs": sorted({model["input"] for model in config["models"].values()}),
            "validation": sorted(
                {model["validation_images"] for model in config["models"].values()} - {None}
            ),
            "trained_once": settings.trained_once(config),
            "dataset": config["dataset"]["name"],
            "epsilon": config["whitening"]["epsilon"],
            "fit_on": config["whitening"]["fit_on"],
            "limits": {
                name: limit for name, limit in config["limits"].items() if limit is not None
            },
            "published": config["published"] and config["published"]["source"],
            "config": yaml.safe_dump(settings.essential(config), allow_unicode=True),
        },
        sort_keys=True,
    )
