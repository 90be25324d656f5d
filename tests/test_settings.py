"""A wrong config is one line that says where, what, and what is allowed."""

import copy
import json

import pytest
import yaml
from snakemake.utils import update_config

from ablation.errors import InputError
from ablation.settings import check, networks, specs, words
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
    ("models.model5.dropout", [0.25, 2, 0.5], "models.model5.dropout[1]: must be less than 1 (got 2)"),
    (
        "models.model5.channels",
        [32, 64],
        "models.model5.channels: expected 4 entries for architecture cifar10_cnn, got 2: [32, 64]",
    ),
    ("models.model5.dropout", [0.5], "models.model5.dropout: expected 3 entries, got 1: [0.5] (Rates after"),
    (
        "models.model5",
        {"architecture": "airbench"},
        "models.model5.channels: expected 3 entries for architecture airbench, got 4: [32, 64, 64, 64]",
    ),
    (
        "models.model5",
        {"architecture": "airbench", "channels": [8, 8, 8], "dropout": [0, 0, 0]},
        "models.model5.dropout: applies only to architecture cifar10_cnn (here it is airbench)",
    ),
    ("models.model5.momentum", 0.5, "model5.momentum: applies only to optimizer sgd or muon (here it is adadelta)"),
    (
        "models.model8.schedule",
        "triangular",
        "models.model8.decay: applies only to schedule inverse_time (here it is triangular)",
    ),
    ("models.model5.flip", "sideways", "models.model5.flip: 'sideways' is unknown; allowed: none, random, alternating"),
    ("models.model5.epochs", "eighty", "models.model5.epochs: expected an integer, got 'eighty'"),
    ("models.model5.epochs", 0, "models.model5.epochs: must be at least 1 (got 0)"),
    ("models.model5.decay", float("nan"), "models.model5.decay: must be finite (got nan)"),
    ("models.model5.learning_rate", float("inf"), "models.model5.learning_rate: must be finite (got inf)"),
    ("models.model5.learning_rate", float("-inf"), "models.model5.learning_rate: must be finite (got -inf)"),
    ("models.model5.learning_rate", "1e999", "models.model5.learning_rate: must be finite (got inf)"),
    ("models.model5.dropout", [0.5, float("nan"), 0.5], "models.model5.dropout[1]: must be finite (got nan)"),
    ("models.model5.epochs", float("nan"), "models.model5.epochs: must be finite (got nan)"),
    (
        "models.model5.learning_rate",
        10**400,
        "learning_rate: must be 0, or from 1.18e-38 to 3.4e+38 in size (got 1000000",
    ),
    ("models.model5.learning_rate", 10**30, "models.model5.learning_rate: must be at most 1000 (got 1e+30)"),
    ("models.model5.learning_rate", 5e-324, "must be 0, or from 1.18e-38 to 3.4e+38 in size (got 5e-324)"),
    ("models.model5.learning_rate", "1e-400", "models.model5.learning_rate: must be more than 0 (got 0)"),
    ("models.model5.optimizer", {"name": "adam", "epsilon": 1e-42}, "optimizer.epsilon: must be 0, or from 1.18e-38"),
    ("models.model5.optimizer", {"name": "adam", "epsilon": 1e39}, "optimizer.epsilon: must be 0, or from 1.18e-38"),
    (
        "models.model5.optimizer",
        {"name": "adam", "gradient_accumulation_steps": 10**30},
        "models.model5.optimizer.gradient_accumulation_steps: must be less than 2**63 in size (got 1000000",
    ),
    (
        "models.model5.optimizer",
        {"name": "muon", "exclude_layers": ["("]},
        "model5.optimizer.exclude_layers: '(' is no regular expression (missing )",
    ),
    ("models.model5.batch_size", 10**12, "models.model5.batch_size: must be at most 1000000 (got 1000000000000)"),
    ("models.model5.channels", [0, 8, 8, 8], "models.model5.channels[0]: must be at least 1 (got 0)"),
    ("seeds", [10**30], "seeds[0]: must be "),
    ("models", {"m" + "a" * 20: {}}, f"models.m{'a' * 20}: ends in 20 or more times 'a', which Snakemake takes for a"),
    ("models", {"ab" * 32: {}}, "ends in 20 or more times 'ab'"),
    ("title", "a\0b", r"title: has the character '\x00', which is no text"),
    ("models.model5.description", "\udcff", r"models.model5.description: has the character '\udcff', which is no text"),
    ("dataset", {"name": "npz", "path": "a\x1b.npz"}, "dataset.path: has the character"),
    ("title", ["x" * 300], "title: expected a string, got ['xxxx"),
    ("models.model5.epochs", None, "models.model5.epochs: expected an integer, got null"),
    ("models.model5.learning_rate", True, "models.model5.learning_rate: expected a number, got a boolean"),
    (
        "models.model5.batch_normalization",
        "befor_relu",
        "'befor_relu' is unknown; did you mean 'before_relu'? allowed: ",
    ),
    ("models", {"a model": {}}, "models: 'a model' is not a valid model name: use up to 64 letters"),
    ("models", {"../../etc": {}}, "models: '../../etc' is not a valid model name"),
    ("models", {"x\n": {}}, r"models: 'x\n' is not a valid model name"),
    ("models", {"7": {}}, "models: '7' is not a valid model name"),
    ("models", {7: {}}, "7: a key must be a string; put it in quotes"),
    ("training.device", "TPU", "training.device: 'TPU' is unknown; did you mean 'gpu'? allowed: auto, gpu, cpu"),
    ("quite\nanother", 1, r"'quite\nanother': unknown key; allowed: title, "),
    ("models.model5.input", None, "models.model5.input: null is unknown; allowed: zca, raw"),
    ("pathvars", {"results": ""}, "pathvars.results: must not be empty (got '')"),
    ("pathvars", {"resluts": "x"}, "pathvars.resluts: unknown key; did you mean 'results'?"),
    ("download.sources", [], "download.sources: must have at least one entry (got [])"),
    ("download.sources", ["ftp://a"], "download.sources[0]: must match ^https?://"),
    ("models", {}, "models: must have at least one entry (got {})"),
    ("models", [1], "models: expected a mapping, got [1]"),
    (
        "dataset.name",
        "cifar1000",
        "dataset.name: 'cifar1000' is unknown; did you mean 'cifar100'? allowed: cifar10, cifar100, fashion_mnist",
    ),
    ("dataset.name", "npz", "dataset.path: missing; dataset.name npz needs it"),
    ("dataset", {"path": "a.npz"}, "dataset.path: applies only to name folder or npz or python (here"),
    ("dataset", {"name": "folder"}, "dataset.path: missing; dataset.name folder needs it"),
    ("dataset", {"size": 32}, "dataset.size: applies only to name folder (here it is cifar10)"),
    ("dataset", {"name": "folder", "path": "a", "size": 8}, "dataset.size: must be at least 16 (got 8)"),
    ("dataset", {"name": "npz", "path": "a", "groups": "(a)"}, "dataset.groups: applies only to name folder"),
    (
        "dataset",
        {"name": "digits", "archive": "a"},
        "dataset.archive: applies only to name cifar10 or cifar100 or fashion_mnist or mnist (here it is digits)",
    ),
    ("dataset", "digits", "dataset: expected a mapping, got 'digits'"),
    ("whitening.epsilon", 0, "whitening.epsilon: must be more than 0 (got 0)"),
    ("seeds", [], "seeds: must have at least one entry (got [])"),
    ("seeds", [1, 1], "seeds: must not have the same entry twice (got [1, 1])"),
    ("seeds", 3, "seeds: expected a list, got 3"),
    ("limits.train_images", 1.5, "limits.train_images: expected an integer or null, got 1.5"),
    ("download.sha256", "abc", "download.sha256: must match ^[0-9a-f]{64}"),
    ("baseline", "model99", "baseline: no such model 'model99'; did you mean 'model"),
    ("published.models.model99", {"accuracy": 0.5}, "published.models.model99: no such model; did you mean 'model"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[f"{key}={value}" for key, value, _ in WRONG])
def test_a_wrong_setting_is_one_line(shipped_config, schema, key, value, message):
    config = changed(shipped_config, key, value)
    with pytest.raises(InputError) as caught:
        check.validate_and_fill(config, schema)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_is_read_once_and_a_choice_may_be_a_number(schema, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(
        "from typing import Literal\ndef build(shape, classes, k: Literal[1, 2] = 1): ...\n"
    )
    path, read = str(tmp_path / "net.py"), []
    parse = networks.parse_module
    monkeypatch.setattr(networks, "parse_module", lambda *given: read.append(given) or parse(*given))
    models = {name: {"architecture": path} for name in "abc"} | {"f": {"grid": {"of": "a", "k": [1, 2]}}}
    check.validate_and_fill({"models": models}, schema)
    assert [str(file) for _, file in read].count(path) == 1
    with pytest.raises(InputError, match=r"models.a.k: 3 is unknown; allowed: 1, 2"):
        check.validate_and_fill({"models": {"a": {"architecture": path, "k": 3}}}, schema)


def test_a_long_list_is_not_printed_whole(schema):
    with pytest.raises(InputError, match=r"baseline: no such model 'x'; allowed: m0, m1, .* and 260 more$"):
        check.validate_and_fill({"models": {f"m{number}": {} for number in range(320)}, "baseline": "x"}, schema)


def test_models_are_missing(schema):
    with pytest.raises(InputError, match="models: missing"):
        check.validate_and_fill({"title": "x"}, schema)
    with pytest.raises(InputError, match="^modles: unknown key; did you mean 'models'"):
        check.validate_and_fill({"title": "x", "modles": {"a": {}}}, schema)
    with pytest.raises(InputError, match="^models.f.ablate.off: unknown key; did you mean 'of'"):
        check.validate_and_fill({"models": {"a": {}, "f": {"ablate": {"off": "a"}}}}, schema)


def test_an_entry_overrides_defaults_and_defaults_the_schema(schema):
    config = {
        "dataset": {"name": "digits"},
        "defaults": {"epochs": 7, "batch_size": 32},
        "models": {"a": None, "b": {"epochs": 9}},
    }
    before = copy.deepcopy(config)
    complete = check.validate_and_fill(config, schema)
    a, b = specs.model_spec(complete, "a"), specs.model_spec(complete, "b")
    assert (a.epochs, a.batch_size, a.learning_rate) == (7, 32, 1.0)
    assert (b.epochs, b.batch_size) == (9, 32)
    assert words.differences_in_words(complete, "a") == ""
    assert words.differences_in_words(complete, "b") == "epochs 9"
    assert config == before


def test_numbers_spelled_as_text_are_numbers(shipped_config, schema):
    """YAML 1.1 takes 1e-4 for text, and `--config` passes nested values on as text."""
    config = changed(shipped_config, "models.model5", {"decay": "1e-4", "channels": ["8", 8.0, "8", "8"]})
    config = changed(changed(config, "seeds", ["1", "2"]), "limits.train_images", "null")
    complete = check.validate_and_fill(config, schema)
    spec = specs.model_spec(complete, "model5")
    assert (spec.decay, spec.channels) == (0.0001, (8, 8, 8, 8))
    assert complete["seeds"] == [1, 2]
    assert complete["limits"]["train_images"] is None


@pytest.mark.parametrize("text", ["9" * 400, "1_0", " 5 ", "٣", "0x10", "1e999"])
def test_other_spellings_are_no_numbers(shipped_config, schema, text):
    with pytest.raises(InputError, match="expected an integer, got|must be finite"):
        check.validate_and_fill(changed(shipped_config, "models.model5.epochs", text), schema)


def test_a_whitening_that_leaves_out_the_validation_images(shipped_config, schema):
    """It takes one validation part for all models that see whitened images; those on raw pixels don't matter."""
    config = changed(shipped_config, "whitening.fit_on", "train")
    raw = changed(config, "models.raw", {"input": "raw", "validation_split": 0.3, "validation_images": "by_seed"})
    assert specs.whitening_holdout(check.validate_and_fill(shipped_config, schema)) == 0
    assert specs.whitening_holdout(check.validate_and_fill(raw, schema)) == 0.1
    with pytest.raises(InputError, match=r"models.model5.validation_split: 0.2, but model2 has 0.1"):
        check.validate_and_fill(changed(config, "models.model5.validation_split", 0.2), schema)
    with pytest.raises(InputError, match=r"models.model5.validation_images: must be last"):
        check.validate_and_fill(changed(config, "models.model5.validation_images", "by_seed"), schema)


CONFIGS = [str(path.relative_to(ROOT)) for path in [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]]


def shipped(name, shipped_config):
    """Return the config that snakemake reads with `--configfile name`."""
    config = yaml.safe_load((ROOT / name).read_text())
    if name in (
        "config/airbench_ablation.yaml",
        "config/resnet20.yaml",
    ):  # a study of its own: --replace-workflow-config
        return config
    combined = copy.deepcopy(shipped_config)
    update_config(combined, config)
    return combined


@pytest.mark.parametrize("name", CONFIGS)
def test_the_config_in_the_report_completes_to_the_same_study(shipped_config, schema, name):
    config = shipped(name, shipped_config)
    config = changed(config, "download", {"sha256": "0" * 64})
    config = changed(changed(config, "training.threads", 7), "training.device", "gpu")
    complete = check.validate_and_fill(changed(config, "seeds", [3, 1]), schema)
    minimal = words.minimal_config(complete)
    again = check.validate_and_fill(yaml.safe_load(yaml.safe_dump(minimal)), schema)
    assert (again["training"]["threads"], again["training"]["device"]) == (7, "gpu")
    assert again["seeds"] == [1, 3]
    assert again["download"]["sha256"] == complete["download"]["sha256"]
    assert set(config) - set(minimal) <= {"pathvars"}
    for key in ("download", "pathvars", "seeds", "dataset"):
        complete.pop(key, None), again.pop(key, None)
    assert again == complete


def test_what_varies_and_how_a_model_differs_from_the_baseline(shipped_config, schema):
    complete = check.validate_and_fill(changed(shipped_config, "baseline", "model7"), schema)
    assert list(words.varying_settings(complete)) == ["channels", "batch_normalization", "dropout", "decay", "epochs"]
    assert words.varying_settings(complete)["decay"]["model8"] == "0"
    assert words.differences_in_words(complete, "model7") == ""
    assert words.differences_in_words(complete, "model8") == "decay 0"
    assert words.differences_in_words(complete, "model6") == "channels 32-64-64-64"


def test_a_limit_cuts_every_model(shipped_config, schema):
    complete = check.validate_and_fill(changed(shipped_config, "limits.epochs", 3), schema)
    assert {specs.model_spec(complete, name).epochs for name in complete["models"]} == {3}


def test_the_seven_models_are_the_notebooks(shipped_config, schema):
    complete = check.validate_and_fill(shipped_config, schema)
    models = {name: specs.model_spec(complete, name) for name in complete["models"]}
    assert list(models) == [f"model{number}" for number in range(2, 9)]
    assert {name: spec.epochs for name, spec in models.items() if spec.epochs != 80} == {"model4": 160}
    assert {name for name, spec in models.items() if spec.decay == 0} == {"model4", "model8"}
    assert {spec.batch_size for spec in models.values()} == {64}
    assert {spec.validation_split for spec in models.values()} == {0.1}
    assert {spec.learning_rate for spec in models.values()} == {1.0}


def test_equal_specs_give_equal_json_whatever_the_order_of_keys(shipped_config, schema):
    complete = check.validate_and_fill(shipped_config, schema)
    model = complete["models"]["model7"]
    turned = {**complete, "models": {"model7": dict(reversed(model.items()))}}
    spec = specs.model_spec(complete, "model7")
    assert specs.model_spec(turned, "model7").to_json() == spec.to_json()
    assert type(spec).from_json(spec.to_json()) == spec
    whole = {**shipped_config, "defaults": {"learning_rate": 1, "decay": 0}}
    spelled = {**shipped_config, "defaults": {"learning_rate": 1.0, "decay": "0.0"}}
    both = [specs.model_spec(check.validate_and_fill(config, schema), "model7") for config in (whole, spelled)]
    assert both[0].to_json() == both[1].to_json()


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


def test_what_means_nothing_for_a_model_is_none_and_not_shown(modern_config, schema):
    """So that a change of it trains nothing, and no difference is claimed."""
    config = check.validate_and_fill(modern_config, schema)
    modern = config["models"]["airbench94"]
    assert [modern[key] for key in ("dropout", "batch_normalization", "decay")] == [None] * 3
    assert [config["models"]["model2"][key] for key in ("first_layer", "momentum", "bias_factor")] == [None] * 3
    difference = words.differences_in_words(config, "airbench94")
    assert "architecture airbench; channels 64-256-256; first_layer patch whitening; flip alternating" in difference
    assert "dropout" not in difference
    assert words.varying_settings(config)["dropout"]["airbench94"] == "–"
    defaults = {**modern_config, "defaults": {"dropout": [0.1, 0.1, 0.1]}}
    other = check.validate_and_fill(defaults, schema)
    for name, same in (("airbench94", True), ("model2", False)):
        assert (specs.model_spec(other, name) == specs.model_spec(config, name)) == same


def test_models_that_train_alike_are_known(shipped_config, schema):
    config = check.validate_and_fill(shipped("config/airbench_ablation.yaml", shipped_config), schema)
    assert specs.identical_trainings(config) == [["airbench94", "one_view"]]
    assert specs.identical_trainings(check.validate_and_fill(shipped_config, schema)) == []


def test_every_setting_is_in_the_spec_but_what_decides_evaluations_alone(modern_config, schema):
    config = check.validate_and_fill(modern_config, schema)
    settings = set(schema["$defs"]["settings"]["properties"])
    assert settings - set(specs.model_spec(config, "airbench94").settings) == {"test_time_augmentation"}


def test_what_is_off_or_does_not_apply_is_in_no_key(modern_config, schema):
    config = check.validate_and_fill(modern_config, schema)
    keys = specs.key_settings(config, "model8", schema)  # it has no decay
    assert keys == {
        "input": "zca",
        "precision": "float32",
        "architecture": "cifar10_cnn",
        "channels": [32, 64, 128, 128],
        "batch_normalization": "before_relu",
        "dropout": [0.25, 0.25, 0.5],
        "optimizer": "adadelta",
        "learning_rate": 1.0,
        "schedule": "inverse_time",
        "epochs": 80,
        "batch_size": 64,
        "validation_split": 0.1,
        "validation_images": "last",
    }
    modern = specs.key_settings(config, "airbench94", schema)
    assert {"bias_factor", "lookahead", "weight_decay", "momentum", "flip"} < set(modern)
    assert not {"validation_split", "validation_images", "dropout", "decay"} & set(modern)


def test_every_setting_that_decides_a_training_changes_its_key(modern_config, schema):
    others = {"string": "other", "integer": 7, "number": 0.0123, "array": [1, 2, 3]}
    for name in ("model2", "airbench94"):
        config = check.validate_and_fill(modern_config, schema)
        before = specs.key_settings(config, name, schema)
        for key, rule in schema["$defs"]["settings"]["properties"].items():
            if key == "test_time_augmentation" or config["models"][name][key] is None:
                continue
            changed_config = copy.deepcopy(config)
            changed_config["models"][name][key] = others[rule.get("type", "string")]
            assert specs.key_settings(changed_config, name, schema) != before, key
            assert specs.model_spec(changed_config, name) != specs.model_spec(config, name), key


def test_a_new_setting_that_is_off_changes_no_key(shipped_config, schema):
    config = check.validate_and_fill(shipped_config, schema)
    before = specs.key_settings(config, "model2", schema)
    newer = copy.deepcopy(schema)
    for section in ("settings", "model"):
        newer["$defs"][section]["properties"]["cutout"] = {"type": "integer", "default": 0, "x-off": 0}
    config = check.validate_and_fill(shipped_config, newer)
    assert specs.key_settings(config, "model2", newer) == before
    config = check.validate_and_fill(changed(shipped_config, "models.model2.cutout", 8), newer)
    assert specs.key_settings(config, "model2", newer) == before | {"cutout": 8}


def test_the_value_that_turns_a_setting_off_is_possible(schema):
    for key, rule in schema["$defs"]["settings"]["properties"].items():
        if "x-off" in rule:
            config = {"dataset": {"name": "digits"}, "models": {"a": {"optimizer": "sgd", key: rule["x-off"]}}}
            check.validate_and_fill(config, schema)


def test_what_goes_with_what_names_settings_and_values_of_the_schema(schema):
    for section in (schema["$defs"]["settings"]["properties"], schema["properties"]["dataset"]["properties"]):
        for key, rule in section.items():
            for other, values in (rule.get("x-only-with", {}) | rule.get("x-entries", {})).items():
                assert set(values) <= set(section[other]["enum"]), key
    (entries,) = schema["$defs"]["settings"]["properties"]["channels"]["x-entries"].values()
    assert set(entries) == {"cifar10_cnn", "airbench", "airbench96"}


def test_a_spec_is_read_by_name_and_cannot_be_changed(shipped_config, schema):
    spec = specs.model_spec(check.validate_and_fill(shipped_config, schema), "model4")
    assert (spec.channels, spec.decay, spec.epochs) == ((16, 32, 32, 32), 0.0, 160)
    with pytest.raises(AttributeError, match="use replace"):
        spec.epochs = 1
    with pytest.raises(AttributeError):
        _ = spec.nothing
    shorter = spec.replace(epochs=1)
    assert (shorter.epochs, shorter.decay, spec.epochs) == (1, 0.0, 160)
    assert shorter != spec


def test_what_tables_and_report_say_besides_the_results(shipped_config, schema):
    config = changed(changed(shipped_config, "limits", {"epochs": 3}), "seeds", [2, 1])
    config = changed(config, "models.model5.validation_split", 0)
    config["models"]["raw"] = {"input": "raw"}
    facts = words.study_facts(check.validate_and_fill(config, schema))
    assert json.loads(json.dumps(facts)) == facts
    assert {key: facts[key] for key in ("baseline", "seeds", "dataset", "epsilon", "fit_on", "limits", "inputs")} == {
        "baseline": "model2",
        "seeds": [1, 2],
        "dataset": "cifar10",
        "epsilon": 1e-6,
        "fit_on": "train_and_validation",
        "limits": {"epochs": 3},
        "inputs": ["raw", "zca"],
    }
    assert facts["title"] == config["title"]
    assert facts["published"].startswith("the notebook")
    assert facts["validation"] == ["last"]
    assert facts["defaults"].startswith("input zca; precision float32; architecture cifar10 cnn; channels 32-64-64-64;")
    assert "momentum" not in facts["defaults"]
    assert facts["varying"]["input"]["raw"] == "raw"
    assert yaml.safe_load(facts["config"])["models"]["model3"]["channels"] == [32, 64, 128, 128]
    assert facts["models"]["model4"] == {
        "description": config["models"]["model4"]["description"],
        "differs": "channels 16-32-32-32; batch_normalization after first dropout; dropout 0.5-0.5-0.5; decay 0",
        "epochs": 3,
        "published_loss": 0.715044586468,
        "published_accuracy": 0.779,
    }
    assert facts["models"]["raw"]["published_accuracy"] is None
    del config["published"]
    assert words.study_facts(check.validate_and_fill(config, schema))["published"] is None


def test_the_config_in_the_report_is_the_study(modern_config, schema):
    config = check.validate_and_fill(modern_config, schema)
    assert check.validate_and_fill(words.minimal_config(config), schema)["models"] == config["models"]


def test_names_that_differ_only_in_case_are_refused(schema):
    """On macOS and Windows they would be one folder."""
    config = {"models": {"Small": {}, "small": {}}}
    with pytest.raises(InputError, match="models.small: differs from Small only in case"):
        check.validate_and_fill(config, schema)


def test_a_recipe_s_modules_are_ours_or_keras_s():
    assert specs.recipe_modules({"schedule": "triangular", "optimizer": "sgd"}) == ("triangular", "sgd")
    theirs = {"schedule": {"name": "cosine_decay"}, "optimizer": {"name": "adam"}}
    assert specs.recipe_modules(theirs) == ("keras_schedule", "keras_optimizer")


def test_settings_of_a_network_of_one_s_own_are_in_the_key_and_its_path_is_not(schema, tmp_path):
    (tmp_path / "net.py").write_text("def build(shape, classes, *, width: int = 8): ...\n")
    models = {"m": {"architecture": str(tmp_path / "net.py"), "width": 16}}
    config = check.validate_and_fill({"models": models}, schema)
    settings = specs.key_settings(config, "m", schema)
    assert settings["width"] == 16
    assert "architecture" not in settings
    assert "momentum" not in settings  # which does not apply
    assert specs.model_spec(config, "m").width == 16
    with pytest.raises(AttributeError, match="width: a ModelSpec cannot be changed; use replace"):
        specs.model_spec(config, "m").width = 8
