"""A wrong config is one line that says where, what, and what is allowed."""

import copy

import pytest
import yaml

from ablation import settings
from ablation.errors import InputError
from conftest import ROOT


def changed(config, key, value):
    """Return a copy of config with a dotted key set to a value."""
    config = copy.deepcopy(config)
    section = config
    *path, last = key.split(".")
    for part in path:
        section = section.setdefault(part, {})
    section[last] = value
    return config


WRONG = [
    ("modles", {}, "modles: unknown key; did you mean 'models'? allowed: title, "),
    ("training.devise", "cpu", "training.devise: unknown key; did you mean 'device'? allowed: device, threads"),
    ("models.model5.chanels", [1, 2, 3, 4], "models.model5.chanels: unknown key; did you mean 'channels'?"),
    ("models.model5.dropout", [0.25, 2, 0.5], "models.model5.dropout[1]: 2 is not possible; it has to be less than 1"),
    (
        "models.model5.channels",
        [32, 64],
        "models.model5.channels: has 2 entries, [32, 64]; architecture cifar10_cnn takes 4",
    ),
    ("models.model5.dropout", [0.5], "models.model5.dropout: has 1 entries, [0.5]; the network takes 3 (Of"),
    (
        "models.model5",
        {"architecture": "airbench"},
        "models.model5.channels: has 4 entries, [32, 64, 64, 64]; architecture airbench takes 3",
    ),
    (
        "models.model5",
        {"architecture": "airbench", "channels": [8, 8, 8], "dropout": [0, 0, 0]},
        "models.model5.dropout: goes with architecture cifar10_cnn; this model's is airbench",
    ),
    ("models.model5.momentum", 0.5, "models.model5.momentum: goes with optimizer sgd; this model's is adadelta"),
    ("models.model8.schedule", "triangular", "models.model8.decay: goes with schedule inverse_time; this model's is"),
    ("models.model5.flip", "sideways", "models.model5.flip: 'sideways' is unknown; allowed: none, random, alternating"),
    ("models.model5.epochs", "eighty", "models.model5.epochs: 'eighty' is text; it has to be a whole number"),
    ("models.model5.epochs", 0, "models.model5.epochs: 0 is not possible; it has to be at least 1"),
    ("models.model5.decay", float("nan"), "models.model5.decay: 'nan' is text; it has to be a number"),
    ("models.model5.learning_rate", float("inf"), "models.model5.learning_rate: 'inf' is text; it has to be a number"),
    ("models.model5.learning_rate", True, "models.model5.learning_rate: True is true or false; it has to be a number"),
    (
        "models.model5.batch_normalization",
        "befor_relu",
        "'befor_relu' is unknown; did you mean 'before_relu'? allowed: ",
    ),
    ("models", {"a model": {}}, "models: 'a model' is no name for a model; it starts with a letter"),
    ("models", {"../../etc": {}}, "models: '../../etc' is no name for a model"),
    ("models", {"x\n": {}}, r"models: 'x\n' is no name for a model"),
    ("models", {"7": {}}, "models: '7' is no name for a model"),
    ("models", {7: {}}, "7: a key has to be text; put it in quotes"),
    ("training.device", "TPU", "training.device: 'TPU' is unknown; allowed: auto, gpu, cpu"),
    ("quite\nanother", 1, r"'quite\nanother': unknown key; allowed: title, "),
    ("models.model5.input", None, "models.model5.input: None is unknown; allowed: zca, raw"),
    ("pathvars", {"results": ""}, "pathvars.results: '' is not possible; it has to name something"),
    ("pathvars", {"resluts": "x"}, "pathvars.resluts: unknown key; did you mean 'results'?"),
    ("download.sources", [], "download.sources: names no address, and dataset.archive no file"),
    ("download.sources", ["ftp://a"], "download.sources[0]: 'ftp://a' is not possible; it has to match ^https?://"),
    ("models", {}, "models: {} is not possible; it needs 1 or more entries"),
    ("models", [1], "models: [1] is a list; it has to be a mapping"),
    (
        "dataset.name",
        "cifar100",
        "dataset.name: 'cifar100' is unknown; did you mean 'cifar10'? allowed: cifar10, digits",
    ),
    ("dataset.name", "npz", "dataset.path: goes with dataset.name npz, and npz needs it"),
    ("dataset", "digits", "dataset: 'digits' is text; it has to be a mapping"),
    ("whitening.epsilon", 0, "whitening.epsilon: 0 is not possible; it has to be more than 0"),
    ("seeds", [], "seeds: [] is not possible; it needs 1 or more entries"),
    ("seeds", [1, 1], "seeds: [1, 1] is not possible; every entry has to be different"),
    ("seeds", 3, "seeds: 3 is a number; it has to be a list"),
    ("limits.train_images", 1.5, "limits.train_images: 1.5 is a number; it has to be a whole number or null"),
    ("download.sha256", "abc", "download.sha256: 'abc' is not possible; it has to match ^[0-9a-f]{64}"),
    ("baseline", "model99", "baseline: no such model 'model99'; did you mean 'model"),
    ("published.models.model99", {"accuracy": 0.5}, "published.models.model99: no such model; did you mean 'model"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[f"{key}={value}" for key, value, _ in WRONG])
def test_a_wrong_setting_is_one_line(shipped_config, schema, key, value, message):
    config = changed(shipped_config, key, value)
    with pytest.raises(InputError) as caught:
        settings.complete(config, schema)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_are_missing(schema):
    with pytest.raises(InputError, match="models: missing"):
        settings.complete({"title": "x"}, schema)


def test_an_entry_overrides_defaults_and_defaults_the_schema(schema):
    config = {
        "dataset": {"name": "digits"},
        "defaults": {"epochs": 7, "batch_size": 32},
        "models": {"a": None, "b": {"epochs": 9}},
    }
    before = copy.deepcopy(config)
    complete = settings.complete(config, schema)
    a, b = settings.model_spec(complete, "a"), settings.model_spec(complete, "b")
    assert (a.epochs, a.batch_size, a.learning_rate) == (7, 32, 1.0)
    assert (b.epochs, b.batch_size) == (9, 32)
    assert settings.difference(complete, "a") == ""
    assert settings.difference(complete, "b") == "epochs 9"
    assert config == before


def test_numbers_spelled_as_text_are_numbers(shipped_config, schema):
    """YAML 1.1 takes 1e-4 for text, and `--config` passes nested values on as text."""
    config = changed(shipped_config, "models.model5", {"decay": "1e-4", "channels": ["8", 8.0, "8", "8"]})
    config = changed(changed(config, "seeds", ["1", "2"]), "limits.train_images", "null")
    complete = settings.complete(config, schema)
    spec = settings.model_spec(complete, "model5")
    assert (spec.decay, spec.channels) == (0.0001, (8, 8, 8, 8))
    assert complete["seeds"] == [1, 2]
    assert complete["limits"]["train_images"] is None


@pytest.mark.parametrize("text", ["9" * 400, "1_0", " 5 ", "٣", "0x10", "1e999"])
def test_other_spellings_are_no_numbers(shipped_config, schema, text):
    with pytest.raises(InputError, match="it has to be a whole number"):
        settings.complete(changed(shipped_config, "models.model5.epochs", text), schema)


def test_a_whitening_that_leaves_out_the_validation_images(shipped_config, schema):
    """It takes one validation part for all models that see whitened images; those on raw pixels don't matter."""
    config = changed(shipped_config, "whitening.fit_on", "train")
    raw = changed(config, "models.raw", {"input": "raw", "validation_split": 0.3, "validation_images": "by_seed"})
    assert settings.left_out_of_whitening(settings.complete(shipped_config, schema)) == 0
    assert settings.left_out_of_whitening(settings.complete(raw, schema)) == 0.1
    with pytest.raises(InputError, match=r"models.model5.validation_split: 0.2, but model2 has 0.1"):
        settings.complete(changed(config, "models.model5.validation_split", 0.2), schema)
    with pytest.raises(InputError, match=r"models.model5.validation_images: has to be last"):
        settings.complete(changed(config, "models.model5.validation_images", "by_seed"), schema)


@pytest.mark.parametrize("name", ["config.yaml", "config/digits.yaml"])
def test_the_config_in_the_report_completes_to_the_same_study(shipped_config, schema, name):
    config = {**shipped_config, **yaml.safe_load((ROOT / name).read_text())}
    config = changed(config, "models.model5", {"decay": 0.5, "description": "other"})
    config = changed(config, "download", {"sha256": "0" * 64})
    complete = settings.complete(changed(config, "seeds", [3, 1]), schema)
    again = settings.complete(yaml.safe_load(yaml.safe_dump(settings.essential(complete))), schema)
    assert again["seeds"] == [1, 3]
    assert again["download"]["sha256"] == complete["download"]["sha256"]
    for key in ("download", "pathvars", "seeds", "dataset"):
        complete.pop(key, None), again.pop(key, None)
    assert again == complete


def test_what_varies_and_how_a_model_differs_from_the_baseline(shipped_config, schema):
    complete = settings.complete(changed(shipped_config, "baseline", "model7"), schema)
    assert list(settings.varying(complete)) == ["channels", "batch_normalization", "dropout", "decay", "epochs"]
    assert settings.varying(complete)["decay"]["model8"] == "0"
    assert settings.difference(complete, "model7") == ""
    assert settings.difference(complete, "model8") == "decay 0"
    assert settings.difference(complete, "model6") == "channels 32-64-64-64"


def test_a_limit_cuts_every_model(shipped_config, schema):
    complete = settings.complete(changed(shipped_config, "limits.epochs", 3), schema)
    assert {settings.model_spec(complete, name).epochs for name in complete["models"]} == {3}


def test_the_seven_models_are_the_notebooks(shipped_config, schema):
    complete = settings.complete(shipped_config, schema)
    specs = {name: settings.model_spec(complete, name) for name in complete["models"]}
    assert list(specs) == [f"model{number}" for number in range(2, 9)]
    assert {name: spec.epochs for name, spec in specs.items() if spec.epochs != 80} == {"model4": 160}
    assert {name for name, spec in specs.items() if spec.decay == 0} == {"model4", "model8"}
    assert {spec.batch_size for spec in specs.values()} == {64}
    assert {spec.validation_split for spec in specs.values()} == {0.1}
    assert {spec.learning_rate for spec in specs.values()} == {1.0}


def test_equal_specs_give_equal_json_whatever_the_order_of_keys(shipped_config, schema):
    complete = settings.complete(shipped_config, schema)
    model = complete["models"]["model7"]
    turned = {**complete, "models": {"model7": dict(reversed(model.items()))}}
    spec = settings.model_spec(complete, "model7")
    assert settings.model_spec(turned, "model7").to_json() == spec.to_json()
    assert type(spec).from_json(spec.to_json()) == spec
    whole = {**shipped_config, "defaults": {"learning_rate": 1, "decay": 0}}
    spelled = {**shipped_config, "defaults": {"learning_rate": 1.0, "decay": "0.0"}}
    specs = [settings.model_spec(settings.complete(config, schema), "model7") for config in (whole, spelled)]
    assert specs[0].to_json() == specs[1].to_json()


def test_every_key_is_described_and_every_optional_one_has_a_default(schema):
    def walk(rules, path):
        for key, rule in rules.get("properties", {}).items():
            here = f"{path}.{key}"
            if rule.get("type") != "object":
                assert "description" in rule or "$ref" in rule, here
            if key not in rules.get("required", []) and path != ".models" and key not in ("pathvars", "description"):
                assert "default" in rule, here
            walk(rule, here)

    walk(schema, "")
    walk(schema["$defs"]["settings"], "settings")


@pytest.mark.parametrize("name", ["config/digits.yaml"])
def test_shipped_extensions_are_valid(shipped_config, schema, name):
    extension = yaml.safe_load((ROOT / name).read_text())
    settings.complete({**shipped_config, **extension}, schema)


def test_what_means_nothing_for_a_model_is_none_and_not_shown(modern_config, schema):
    """So that a change of it trains nothing, and no difference is claimed."""
    config = settings.complete(modern_config, schema)
    modern = config["models"]["airbench94"]
    assert [modern[key] for key in ("dropout", "batch_normalization", "decay")] == [None] * 3
    assert [config["models"]["model2"][key] for key in ("first_layer", "momentum", "bias_factor")] == [None] * 3
    words = settings.difference(config, "airbench94")
    assert "architecture airbench; channels 64-256-256; first_layer patch whitening; flip alternating" in words
    assert "dropout" not in words
    assert settings.varying(config)["dropout"]["airbench94"] == "–"
    defaults = {**modern_config, "defaults": {"dropout": [0.1, 0.1, 0.1]}}
    other = settings.complete(defaults, schema)
    for name, same in (("airbench94", True), ("model2", False)):
        assert (settings.model_spec(other, name) == settings.model_spec(config, name)) == same


def test_models_that_train_alike_are_trained_once(schema):
    config = yaml.safe_load((ROOT / "config/airbench_ablation.yaml").read_text())
    config = settings.complete(config, schema)
    trained_as = {name: settings.trained_as(config, name) for name in config["models"]}
    assert trained_as.pop("one_view") == "airbench94"
    assert all(name == other for name, other in trained_as.items())


def test_the_config_in_the_report_is_the_study(modern_config, schema):
    config = settings.complete(modern_config, schema)
    assert settings.complete(settings.essential(config), schema)["models"] == config["models"]
