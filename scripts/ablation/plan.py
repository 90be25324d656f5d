"""What a study is made of, by key, and how much of it is on disk. Known before anything runs.

Below the results:

    data/{key}/               images.npz or zca.npz, and a record of what it was made from
    trainings/{key}/seed{n}/  model.keras, history.csv, training.json
    runs/{model}/seed{n}/     the same by the model's name, and its evaluation: predictions.npz, metrics.json
    figures/, report/         by name; each file bears the key of what it was made from
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from ablation.keys import code_of, code_of_file, key_of
from ablation.own_files import is_own, own_path
from ablation.settings import specs, words
from ablation.sources import groups_of, source_of

TRAINING_FILES = ("model.keras", "history.csv", "training.json")
RUN_FILES = (*TRAINING_FILES[1:], "predictions.npz", "metrics.json")  # and model.keras, a link


class Plan:
    """The parts of a study and their keys.

    config: a completed one; schema: its schema; results: the folder that everything below is relative to; cache: a file
    that remembers digests of the user's own files.

    source: where the dataset comes from. groups: dataset.groups as the reader of a folder takes it. images, whitened:
    what both files of images are made from. trainings: the same by model, evaluations: by model and seed; all as
    `keys.key_of` takes it.
    """

    def __init__(self, config: dict, schema: dict, results: Path, cache: Path) -> None:
        self.config, self.results = config, Path(results)
        dataset, limits, device = config["dataset"], config["limits"], config["training"]["device"]
        self.source = source_of(config, cache)
        self.groups, groups_made_from = groups_of(config, cache)
        self.images = {
            "dataset": dataset["name"],
            "source": self.source.digest,
            "shuffle_seed": dataset["shuffle_seed"],
            "code": code_of(f"ablation.data.datasets.{dataset['name']}"),
        }
        if dataset["size"]:
            self.images["size"] = dataset["size"]
        if self.groups:  # which stay whole where any model divides the images
            splits = sorted({model["validation_split"] for model in config["models"].values()})
            self.images |= {"groups": groups_made_from, "validation_splits": splits}
        self.whitened = {
            "images": self.images,
            "epsilon": config["whitening"]["epsilon"],
            "holdout": specs.whitening_holdout(config),
            "code": code_of("ablation.data.whitening"),
        }
        self.trainings, self.evaluations = {}, {}
        networks: dict[str, dict[str, Any]] = {}  # hundreds of rows may share a file
        for name, model in config["models"].items():
            if model["architecture"] not in networks:
                networks[model["architecture"]] = self._network(name)
            network = networks[model["architecture"]]
            schedule, optimizer = specs.recipe_modules(model)
            self.trainings[name] = {
                "data": self.whitened if model["input"] == "zca" else self.images,
                "train_images": limits["train_images"],
                "spec": specs.key_settings(config, name, schema),
                "device": device,
                "code": code_of(
                    "ablation.training.run",
                    *network["modules"],
                    f"ablation.training.optimizers.{optimizer}",
                    f"ablation.training.schedules.{schedule}",
                ),
                **network["own"],
            }
            evaluation = {
                "model": name,
                "training": key_of(self.trainings[name]),
                "test_images": limits["test_images"],
                "test_time_augmentation": model["test_time_augmentation"],
                "code": code_of("ablation.training.evaluate", *network["modules"]),
                **network["own"],
            }
            if config["report_on"] == "validation":
                evaluation |= {"report_on": "validation", "test_images": None}
            self.evaluations[name] = {seed: evaluation | {"seed": seed} for seed in config["seeds"]}

    def _network(self, model: str) -> dict[str, Any]:
        """Return what the code of a model's network is: modules of this package, or the digest of a user's file."""
        architecture = self.config["models"][model]["architecture"]
        if not is_own(architecture):
            return {"modules": [f"ablation.training.networks.{architecture}"], "own": {}}
        setting = f"models.{model}.architecture"
        return {"modules": [], "own": {"network": code_of_file(setting, own_path(setting, architecture, "file"))}}

    @cached_property
    def training_keys(self) -> dict[str, str]:
        """The key of each model's training; models that train alike share one."""
        return {name: key_of(made_from) for name, made_from in self.trainings.items()}

    @cached_property
    def images_path(self) -> str:
        """The file of the images as they are, below the results."""
        return f"data/{key_of(self.images)}/images.npz"

    @cached_property
    def whitened_path(self) -> str:
        """The file of the whitened images, below the results."""
        return f"data/{key_of(self.whitened)}/zca.npz"

    @property
    def whitening_resources(self) -> dict[str, int]:
        """Megabytes and minutes that a whitening asks for, by the size of the images where the config has it.

        Beyond those of small images: six matrices of float64, and the time of their eigenvalues, which is cubic.
        """
        values = 3 * (self.config["dataset"]["size"] or 0) ** 2
        return {"mem_mb": 3000 + 6 * 8 * values**2 // 10**6, "runtime": 30 + values**3 // 10**11}

    def arguments_of_prepare(self) -> list[str]:
        """Return the arguments of prepare.py besides its outputs."""
        source, arguments = self.source, {"made-from": json.dumps(self.images), "groups": self.groups}
        if source.path:
            arguments["source"] = str(self.results / source.path)
        if source.warning:
            arguments["warning"] = source.warning
        return [f"--{key}={value}" for key, value in arguments.items() if value is not None]

    def data_path(self, model: str) -> str:
        """Return the file of the images that a model sees, below the results."""
        return self.whitened_path if self.config["models"][model]["input"] == "zca" else self.images_path

    def training_path(self, model: str, seed: int | str) -> str:
        """Return the folder of a model's training, below the results."""
        return f"trainings/{self.training_keys[model]}/seed{seed}"

    @cached_property
    def models_trained_as(self) -> dict[str, list[str]]:
        """The models of each training by its key, in the order of the config."""
        models: dict[str, list[str]] = {}
        for name, key in self.training_keys.items():
            models.setdefault(key, []).append(name)
        return models

    def training_files(self, key: str, seed: int | str) -> list[str]:
        """Return the files of a training, below the results."""
        return [f"trainings/{key}/seed{seed}/{name}" for name in TRAINING_FILES]

    def is_trained(self, key: str, seed: int | str) -> bool:
        """Tell whether a training is on disk, complete."""
        return all((self.results / path).exists() for path in self.training_files(key, seed))

    @property
    def run_files(self) -> list[str]:
        """The files of all runs."""
        names = ("model.keras", *RUN_FILES)
        folders = [
            f"{self.results}/runs/{model}/seed{seed}" for model in self.trainings for seed in self.config["seeds"]
        ]
        return [f"{folder}/{name}" for folder in folders for name in names]

    @cached_property
    def study(self) -> dict:
        """What the tables, figures and report need to know before they look at a result; study.json holds it."""
        study = {
            "facts": words.study_facts(self.config) | {"source_warning": self.source.warning},
            "images": self.images_path,
            "whitened": self.whitened_path if "zca" in {m["input"] for m in self.config["models"].values()} else None,
            "trainings": self.training_keys,
            "evaluations": {
                name: {str(seed): key_of(made_from) for seed, made_from in by_seed.items()}
                for name, by_seed in self.evaluations.items()
            },
        }
        return {**study, "key": key_of(study)}

    def notes(self, runs: dict[str, dict[str, str | None]]) -> list[str]:
        """Return a line for the user where files are gone that nothing needs any more, though somebody may.

        runs: digests of those on disk, as `keys.run_digests` returns them.
        """
        finished = all(digest for by_seed in runs.values() for digest in by_seed.values())
        expected = {self.data_path(model) for model in self.trainings} if finished else set()
        for model, by_seed in runs.items():
            for seed in filter(by_seed.get, by_seed):
                expected |= set(self.training_files(self.training_keys[model], seed))
        gone = [str(self.results / name) for name in sorted(expected) if not (self.results / name).exists()]
        what = f"{len(gone)} files of finished runs are gone, such as {gone[0]}" if gone else ""
        return [f"note: {what}; snakemake with the name of one makes it again"] if gone else []
