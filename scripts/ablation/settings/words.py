"""Settings in words, for the tables and the report."""

from typing import Any

from ablation.own_files import is_own
from ablation.settings.specs import identical_trainings


def study_facts(config: dict) -> dict[str, Any]:
    """Return what tables and report say of the study of a completed config besides its results, as JSON has it."""
    import yaml

    again = same_as(config)
    models, published = config["models"], config["published"] or {"source": None, "models": {}}
    return {
        "title": config["title"],
        "baseline": config["baseline"],
        "report_on": config["report_on"],
        "seeds": sorted(config["seeds"]),
        "dataset": config["dataset"]["name"],
        "epsilon": config["whitening"]["epsilon"],
        "fit_on": config["whitening"]["fit_on"],
        "limits": {
            name: limit
            for name, limit in config["limits"].items()
            if limit is not None and (name, config["report_on"]) != ("test_images", "validation")
        },
        "published": published["source"],
        "inputs": sorted({model["input"] for model in models.values()}),
        "validation": sorted({model["validation_images"] for model in models.values()} - {None}),
        "identical_trainings": [
            names for group in identical_trainings(config) if len(names := [n for n in group if n not in again]) > 1
        ],
        "same_as": again,
        "defaults": defaults_in_words(config),
        "varying": varying_settings(config),
        "families": {name: family_facts(config, name) for name in config["families"]},
        "config": yaml.safe_dump(minimal_config(config), allow_unicode=True),
        "models": {
            name: {
                "description": model.get("description", ""),
                "differs": differences_in_words(config, name),
                "epochs": model["epochs"],
                "published_loss": published["models"].get(name, {}).get("loss"),
                "published_accuracy": published["models"].get(name, {}).get("accuracy"),
            }
            for name, model in models.items()
        },
    }


def same_as(config: dict) -> dict[str, str]:
    """Return the models of a completed config that are another one by a second name, and that one: the baseline or the
    first of them."""
    models, firsts = config["models"], [config["baseline"], *config["models"]]
    plain = {name: {**model, "description": ""} for name, model in models.items()}
    found = {name: next(first for first in firsts if plain[first] == plain[name]) for name in models}
    return {name: first for name, first in found.items() if name != first}


def family_facts(config: dict, name: str) -> dict[str, Any]:
    """Return what the report says of a family of a completed config.

    rows: by name of the model, the settings that it is about; labels: these in words; compared: the rows that are
    compared with the family's model, all but one that is the same.
    """
    family = config["families"][name]
    own, models = {**config["models"][family["of"]], "description": ""}, config["models"]
    return {
        "title": family["entry"].get("title", name),
        "description": family["entry"].get("description", ""),
        **{key: family[key] for key in ("kind", "of", "rows", "left_out")},
        "labels": {row: _label(about) for row, about in family["rows"].items()},
        "compared": [row for row in family["rows"] if {**models[row], "description": ""} != own],
    }


def _label(about: dict[str, Any]) -> str:
    return format_settings({key: value for key, value in about.items() if value is not None})


def differences_in_words(config: dict, name: str) -> str:
    """Return in words how model `name` of a completed config differs from its baseline; "" if it doesn't."""
    model, baseline = config["models"][name], config["models"][config["baseline"]]
    return format_settings({key: model[key] for key in config["defaults"] if model[key] not in (None, baseline[key])})


def varying_settings(config: dict) -> dict[str, dict[str, str]]:
    """Return the settings in which the models of a completed config are not all alike: by setting, words by model."""
    models = config["models"]
    return {
        key: {name: value_in_words(model[key]) for name, model in models.items()}
        for key in config["defaults"]
        if any(model[key] != models[config["baseline"]][key] for model in models.values())
    }


def minimal_config(config: dict) -> dict[str, Any]:
    """Return a config that holds only what decides the results of `config`, a completed one, and completes to it."""
    defaults, models = config["defaults"], {}
    dataset = {key: value for key, value in config["dataset"].items() if value is not None}
    dataset.pop("archive", None)  # a path on one machine
    family_of = {row: name for name, family in config["families"].items() for row in family["rows"]}
    for name, model in config["models"].items():
        if name in family_of:
            models[family_of[name]] = config["families"][family_of[name]]["entry"]
        else:
            models[name] = {
                key: value for key, value in model.items() if key not in defaults or value not in (None, defaults[key])
            }
    kept = {key: value for key, value in config.items() if key not in ("download", "pathvars", "families")}
    return kept | {
        "dataset": dataset,
        "defaults": {key: value for key, value in defaults.items() if value is not None},
        "download": {"sha256": config["download"]["sha256"]},  # what the archive is, wherever it comes from
        "seeds": sorted(config["seeds"]),
        "training": {key: config["training"][key] for key in ("device", "threads")},
        "models": models,
    }


def defaults_in_words(config: dict) -> str:
    """Return the defaults of a completed config that apply to any of its models, as one line of text."""
    models = config["models"].values()
    used = {key: value for key, value in config["defaults"].items() if any(model[key] is not None for model in models)}
    return format_settings(used)


def format_settings(settings: dict[str, Any]) -> str:
    """Return settings by name as one line of text: "channels 32-64-64-64; flip none"."""
    return "; ".join(f"{key} {value_in_words(value)}" for key, value in settings.items())


def value_in_words(value: Any) -> str:
    """Return the value of a setting as text."""
    if isinstance(value, list):
        return "-".join(map(value_in_words, value))
    if isinstance(value, dict):
        name, *arguments = (value["name"], *(f"{key} {value_in_words(value[key])}" for key in value if key != "name"))
        return f"{value_in_words(name)} ({', '.join(arguments)})" if arguments else value_in_words(name)
    if value is None:
        return "–"
    if is_own(value) or isinstance(value, bool):
        return str(value).lower() if isinstance(value, bool) else value
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
