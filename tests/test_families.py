"""Families of models: which rows an entry stands for, and what is refused."""

import copy
import json

import pytest
import yaml

from ablation import plan
from ablation.errors import InputError
from ablation.settings import check, families, words
from conftest import ROOT

SGD = {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.1, "learning_rate": 0.5}
MODERN = {"architecture": "airbench", "channels": [8, 16, 16], "flip": "random", **SGD}


def complete(schema, models, **config):
    return check.validate_and_fill({"dataset": {"name": "digits"}, "models": copy.deepcopy(models), **config}, schema)


def rows_of(schema, models, family="f", **config):
    """Return the rows of a family by name, each as the settings that it is about."""
    return complete(schema, models, **config)["families"][family]["rows"]


def test_an_ablation_puts_one_setting_back_at_a_time(schema):
    config = complete(schema, {"m": {"flip": "random", "epochs": 9}, "f": {"ablate": {"of": "m"}}, "z": {}})
    assert list(config["models"]) == ["m", "m-without-flip", "m-without-epochs", "z"]  # where the family stands
    without = config["models"]["m-without-flip"]
    assert (without["flip"], without["epochs"]) == ("none", 9)
    assert without["description"] == "m with flip none"
    assert config["models"]["m-without-epochs"]["flip"] == "random"
    only = {"m": {"flip": "random", "epochs": 9}, "f": {"ablate": {"of": "m", "settings": ["epochs"]}}}
    assert list(rows_of(schema, only)) == ["m-without-epochs"]


def test_what_differs_is_said_of_the_defaults_of_the_config(schema):
    models = {"m": {"flip": "random", "translation": 1, "decay": 0}, "f": {"ablate": {"of": "m"}}}
    assert rows_of(schema, models, defaults={"flip": "random", "translation": 2}) == {
        "m-without-translation": {"translation": 2},
        "m-without-decay": {"decay": 1e-4},
    }


def test_what_no_longer_applies_goes_along_and_the_row_says_so(schema):
    models = {"m": SGD, "f": {"ablate": {"of": "m", "settings": ["optimizer", "momentum"]}}}
    config = complete(schema, models)
    row = config["models"]["m-without-optimizer"]
    assert (row["optimizer"], row["momentum"], row["weight_decay"]) == ("adadelta", None, None)
    assert row["description"] == (
        "m with optimizer adadelta; learning_rate 1; without momentum, weight_decay, which do not apply then"
    )
    assert config["models"]["m-without-momentum"]["momentum"] == 0.9


def test_a_learning_rate_goes_with_its_optimizer(schema):
    """It returns to the default together with the optimizer, unless the default is for another one still."""
    models = {"m": {"optimizer": "adamw", "learning_rate": 0.003}, "f": {"ablate": {"of": "m"}}}
    config = complete(schema, models)
    assert list(config["families"]["f"]["rows"]) == ["m-without-optimizer"]
    assert config["models"]["m-without-optimizer"]["learning_rate"] == 1
    both = {"optimizer": "sgd", "learning_rate": 0.1}
    assert complete(schema, models, defaults=both)["models"]["m-without-optimizer"]["learning_rate"] == 0.1
    alike = {"optimizer": {"name": "adamw", "weight_decay": 0.1}, "learning_rate": 0.003}
    of_adamw = {"optimizer": "adamw", "learning_rate": 0.001}
    rows = complete(schema, {"m": alike, "f": {"ablate": {"of": "m"}}}, defaults=of_adamw)["models"]
    assert (rows["m-without-optimizer"]["learning_rate"], rows["m-without-learning_rate"]["learning_rate"]) == (
        0.003,
        0.001,
    )
    of_none = complete(schema, models, defaults={"optimizer": "adam"})["models"]["m-without-optimizer"]
    assert (of_none["optimizer"]["name"], of_none["learning_rate"]) == ("adam", 0.003)


def test_a_list_of_another_length_goes_along_but_is_not_put_back_alone(schema):
    config = complete(schema, {"m": MODERN, "f": {"ablate": {"of": "m"}}})
    assert "m-without-channels" not in config["models"]
    assert config["families"]["f"]["left_out"] == [
        "channels can't be put back by itself: channels 32-64-64-64 is not for architecture airbench"
    ]
    row = config["models"]["m-without-architecture"]
    assert row["channels"] == [32, 64, 64, 64]
    assert row["description"] == "m with architecture cifar10 cnn; channels 32-64-64-64"


def test_a_limit_of_epochs_leaves_no_row_that_is_the_model_itself(schema):
    models = {"m": {"flip": "random", "epochs": 9}, "f": {"ablate": {"of": "m", "settings": ["flip", "epochs"]}}}
    assert list(rows_of(schema, models, limits={"epochs": 3})) == ["m-without-flip"]


def test_a_grid_has_all_combinations(schema):
    grid = {"of": "m", "dropout": [[0.1, 0.2, 0.25], [0, 0, 0.5]], "learning_rate": [1, "0.3", 1e-3]}
    rows = rows_of(schema, {"m": {"flip": "random"}, "f": {"grid": grid}})
    assert list(rows) == [
        "m-dropout-0.1_0.2_0.25-learning_rate-1",
        "m-dropout-0.1_0.2_0.25-learning_rate-0.3",
        "m-dropout-0.1_0.2_0.25-learning_rate-0.001",
        "m-dropout-0_0_0.5-learning_rate-1",
        "m-dropout-0_0_0.5-learning_rate-0.3",
        "m-dropout-0_0_0.5-learning_rate-0.001",
    ]
    assert rows["m-dropout-0_0_0.5-learning_rate-0.3"] == {"dropout": [0, 0, 0.5], "learning_rate": 0.3}
    config = complete(schema, {"m": {"flip": "random"}, "f": {"grid": grid}})
    assert {model["flip"] for model in config["models"].values()} == {"random"}


def test_values_that_are_nearly_alike_have_names_of_their_own(schema):
    grid = {"of": "m", "learning_rate": [0.1234567, 0.1234568]}
    assert list(rows_of(schema, {"m": {}, "f": {"grid": grid}})) == [
        "m-learning_rate-0.1234567",
        "m-learning_rate-0.1234568",
    ]


def test_what_does_not_apply_is_no_part_of_a_combination(schema):
    grid = {"of": "m", "optimizer": ["adadelta", "sgd"], "momentum": [0.5, 0.7]}
    config = complete(schema, {"m": {"optimizer": "sgd", "weight_decay": 0.1}, "f": {"grid": grid}})
    assert list(config["families"]["f"]["rows"]) == [
        "m-optimizer-adadelta",
        "m-optimizer-sgd-momentum-0.5",
        "m-optimizer-sgd-momentum-0.7",
    ]
    assert config["models"]["m-optimizer-adadelta"]["description"] == (
        "m with optimizer adadelta; without weight_decay, which does not apply then"
    )


def test_a_combination_that_is_the_model_itself_trains_once_and_is_compared_with_nothing(schema, tmp_path):
    config = complete(schema, {"m": {}, "f": {"grid": {"of": "m", "epochs": [80, 5]}}})
    keys = plan.Plan(config, schema, tmp_path, tmp_path / "digests.json").training_keys
    assert keys["m"] == keys["m-epochs-80"] != keys["m-epochs-5"]
    facts = words.study_facts(config)
    assert facts["families"]["f"] == {
        "title": "f",
        "description": "",
        "kind": "grid",
        "of": "m",
        "rows": {"m-epochs-80": {"epochs": 80}, "m-epochs-5": {"epochs": 5}},
        "left_out": [],
        "labels": {"m-epochs-80": "epochs 80", "m-epochs-5": "epochs 5"},
        "compared": ["m-epochs-5"],
    }
    assert (facts["same_as"], facts["identical_trainings"]) == ({"m-epochs-80": "m"}, [])
    other = complete(schema, {"m": {}, "f": {"grid": {"of": "m", "epochs": [80, 5]}}}, baseline="m-epochs-80")
    assert words.study_facts(other)["same_as"] == {"m": "m-epochs-80"}


def test_a_study_without_families_has_the_keys_that_it_had(schema, tmp_path):
    with_family = complete(schema, {"m": {}, "f": {"grid": {"of": "m", "epochs": [5]}}})
    by_hand = complete(schema, {"m": {}, "m-epochs-5": {"epochs": 5}})
    plans = [plan.Plan(config, schema, tmp_path, tmp_path / "x") for config in (with_family, by_hand)]
    assert plans[0].trainings == plans[1].trainings
    assert plans[0].evaluations == plans[1].evaluations


def test_facts_are_json_and_the_config_in_the_report_completes_to_the_same_study(schema):
    models = {
        "m": MODERN | {"epochs": 9},
        "f": {"title": "T", "description": "D", "ablate": {"of": "m"}},
        "named": {"ablate": {"of": "n", "settings": ["epochs", "decay"]}},
        "n": {"epochs": 7, "decay": 0},
        "g": {"grid": {"of": "n", "flip": ["none", "random"]}},
    }
    config = complete(schema, models, limits={"epochs": 5}, baseline="n")
    facts = words.study_facts(config)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["families"]["f"]["title"], facts["families"]["f"]["description"]) == ("T", "D")
    assert facts["families"]["g"]["title"] == "g"
    assert facts["families"]["f"]["labels"]["m-without-optimizer"] == "optimizer adadelta; learning_rate 1"
    again = check.validate_and_fill(yaml.safe_load(facts["config"]), schema)
    for key in ("models", "families"):
        assert again[key] == config[key]


LONG = "m" * 50
WRONG = [
    ({"ablate": {"of": "modle2"}}, "models.f.ablate.of: no such model 'modle2'; did you mean 'model2'? allowed: "),
    ({"grid": {"of": "modle2", "width": [1]}}, "models.f.grid.of: no such model 'modle2'; did you mean 'model2'?"),
    ({"grid": {"width": [1]}}, "models.f.grid.of: missing"),
    ({"grid": {"of": "f", "width": [1]}}, "models.f.grid.of: f is a family; give a model, allowed: "),
    ({"ablate": {}}, "models.f.ablate.of: missing"),
    ({"ablate": None}, "models.f.ablate.of: missing"),
    ({"ablate": {"of": "model2"}}, "models.f.ablate: model2 differs from defaults in nothing that could be put back"),
    (
        {"ablate": {"of": "model3", "settings": ["chanels"]}},
        "models.f.ablate.settings[0]: 'chanels' is unknown; did you mean 'channels'? allowed: input, ",
    ),
    (
        {"ablate": {"of": "model3", "settings": ["decay"]}},
        "models.f.ablate.settings: model3 has decay 0.0001, as defaults have: nothing to put back",
    ),
    ({"ablate": {"of": "model3", "settings": []}}, "models.f.ablate.settings: must have at least one entry (got [])"),
    (
        {"ablate": {"of": "model3", "settings": "al"}},
        "models.f.ablate.settings: 'al' is unknown; did you mean 'all'? allowed: all, or a list, as [dropout, decay]",
    ),
    (
        {"ablate": {"of": "model3"}, "flip": "random"},
        "models.f.flip: unknown key; allowed: title, description, ablate, grid",
    ),
    ({"ablate": {"of": "model3"}, "grid": {"of": "model3"}}, "models.f: has both ablate and grid"),
    ({"grid": {"of": "model2"}}, "models.f.grid: has no setting with a list of its values"),
    ({"grid": {"of": "model2", "decay": []}}, "models.f.grid.decay: must have at least one entry (got [])"),
    ({"grid": {"of": "model2", "decay": 1}}, "models.f.grid.decay: expected a list, got 1"),
    ({"grid": {"of": "model2", "decay": [1, "1"]}}, "models.f.grid.decay: must not have the same entry twice"),
    (
        {"grid": {"of": "model2", "learning_rate": [0.1, 2000]}},
        "models.f.grid.learning_rate[1]: must be at most 1000 (got 2000)",
    ),
    ({"grid": {"of": "model2", "dropout": [[0.1, 0.2]]}}, "models.f.grid.dropout[0]: expected 3 entries, got 2"),
    ({"grid": {"of": "model2", "lerning_rate": [1]}}, "lerning_rate: unknown key; did you mean 'learning_rate'?"),
    (
        {"grid": {"of": "model2", "momentum": [0.5]}},
        "models.f.grid.momentum: does not apply to model2, whatever the other settings of the grid are",
    ),
    (
        {"grid": {"of": "model2", "epochs": list(range(1, 102)), "batch_size": list(range(1, 101))}},
        "models.f.grid: has 10,100 combinations, 10,000 are possible",
    ),
    (
        {"grid": {"of": LONG, "learning_rate": [0.1]}},
        f"models.f.grid: its row {LONG}-learning_rate-0.1 has a name of 68 letters, 64 are possible; shorten",
    ),
    (
        {"grid": {"of": "model2", "epochs": [7]}},
        "models.f.grid: its row model2-epochs-7 is the name of another model; change or rename",
    ),
]


@pytest.mark.parametrize(("family", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_family_is_one_line(shipped_config, schema, family, message):
    models = shipped_config["models"] | {"f": family, LONG: {}, "model2-epochs-7": {}}
    with pytest.raises(InputError) as caught:
        check.validate_and_fill(shipped_config | {"models": models}, schema)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["baseline", "pairs"])
def test_a_family_has_no_name_of_those_that_every_study_has(schema, name):
    with pytest.raises(InputError, match=rf"models\.{name}: a family can't have this name"):
        complete(schema, {"m": {}, name: {"grid": {"of": "m", "epochs": [1]}}})


def test_a_row_is_no_model_that_a_family_is_of(schema):
    models = {"m": {}, "f": {"grid": {"of": "m", "epochs": [1]}}, "g": {"ablate": {"of": "m-epochs-1"}}}
    with pytest.raises(InputError, match=r"models\.g\.ablate\.of: no such model 'm-epochs-1'; allowed: m"):
        complete(schema, models)


def test_the_example_is_a_study(schema):
    config = check.validate_and_fill(yaml.safe_load((ROOT / "config/digits_families.yaml").read_text()), schema)
    assert len(config["models"]) == 1 + 6 + 9


NETWORK = """
import keras
def build(images, classes, *, width: int = 32, depth: int = 2):
    pass
"""


def test_settings_of_a_network_of_ones_own(schema, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    models = {
        "m": {"architecture": "net.py", "width": 8, "flip": "random"},
        "parts": {"ablate": {"of": "m"}},
        "widths": {"grid": {"of": "m", "width": [8, "64"], "depth": [1]}},
        "networks": {"grid": {"of": "m", "architecture": ["net.py", "airbench"], "channels": [[8, 8, 8]]}},
    }
    config = complete(schema, models, defaults={"channels": [4, 4, 4, 4]})
    assert config["families"]["parts"]["rows"] == {
        "m-without-architecture": {"architecture": "cifar10_cnn", "width": None},
        "m-without-flip": {"flip": "none"},
        "m-without-width": {"width": 32},
    }
    assert list(config["families"]["widths"]["rows"]) == ["m-width-8-depth-1", "m-width-64-depth-1"]
    assert config["models"]["m-width-64-depth-1"]["width"] == 64
    assert list(config["families"]["networks"]["rows"]) == [
        "m-architecture-net.py",
        "m-architecture-airbench-channels-8_8_8",
    ]
    airbench = config["models"]["m-architecture-airbench-channels-8_8_8"]
    assert (airbench["width"], airbench["channels"]) == (None, [8, 8, 8])
    with pytest.raises(InputError, match=r"models\.f\.grid\.width\[0\]: expected an integer, got 'x'"):
        complete(schema, {"m": models["m"], "f": {"grid": {"of": "m", "width": ["x"]}}})
    with pytest.raises(InputError, match=r"models\.f\.grid\.widht: unknown key; did you mean 'width'"):
        complete(schema, {"m": models["m"], "f": {"grid": {"of": "m", "widht": [1]}}})


def test_an_error_of_a_row_is_one_of_its_family():
    of = {"f": {"kind": "grid", "rows": {"a-1": {}}}, "g": {"kind": "ablate", "rows": {"a-1.5": {}}}}
    assert families.of_family("models.a-1.x: bad", of) == "models.f.grid: its row a-1.x: bad"
    assert families.of_family("models.a-1.5.x: bad", of) == "models.g.ablate: its row a-1.5.x: bad"
    for message in ("models.a.x: bad", "report_on: bad"):
        assert families.of_family(message, of) == message


def test_recipes_of_keras_in_a_grid(schema):
    grid = {"of": "m", "optimizer": ["sgd", "adam", {"name": "adamw", "weight_decay": "0.02"}], "momentum": [0.5]}
    message = r"models\.f\.grid: its row m-optimizer-adam\.learning_rate: missing; the default 1 is for adadelta"
    with pytest.raises(InputError, match=message):
        complete(schema, {"m": {}, "f": {"grid": grid}})
    config = complete(schema, {"m": {"learning_rate": 0.01}, "f": {"grid": grid}})
    assert list(config["families"]["f"]["rows"]) == [
        "m-optimizer-sgd-momentum-0.5",
        "m-optimizer-adam",
        "m-optimizer-adamw_0.02",
    ]
    assert config["models"]["m-optimizer-adamw_0.02"]["optimizer"] == {"name": "adamw", "weight_decay": 0.02}
    assert config["models"]["m-optimizer-adam"]["optimizer"] == {"name": "adam"}
    assert words.study_facts(config)["families"]["f"]["labels"]["m-optimizer-adamw_0.02"] == (
        "optimizer adamw (weight_decay 0.02)"
    )
    of_adam = {"optimizer": "adam", "learning_rate": 0.01, "epochs": 9}
    family = complete(schema, {"m": of_adam, "f": {"ablate": {"of": "m"}}})["families"]["f"]
    assert list(family["rows"]) == ["m-without-optimizer", "m-without-epochs"]
    assert family["left_out"] == ["learning_rate can't be put back: the default is for adadelta"]
    of_muon = {"optimizer": "muon", "learning_rate": 0.01, "kernel_momentum": 0.5}
    family = complete(schema, {"m": of_muon, "f": {"ablate": {"of": "m"}}})["families"]["f"]
    assert list(family["rows"]) == ["m-without-optimizer", "m-without-kernel_momentum"]
    assert family["left_out"] == ["learning_rate can't be put back: the default is for adadelta"]
    split = {"grid": {"of": "m", "validation_split": [0.1, 0.2]}}
    message = r"models\.f\.grid: its row m-validation_split-0\.2\.validation_split: 0\.2, but m has 0\.1; report_on"
    with pytest.raises(InputError, match=message):
        complete(schema, {"m": {}, "f": split}, report_on="validation")
    values = {"name": "piecewise_constant_decay", "boundaries": [5], "values": [0.1, 0.01]}
    of_values = {"optimizer": "adam", "schedule": values, "epochs": 9}
    family = complete(schema, {"m": of_values, "f": {"ablate": {"of": "m"}}})["families"]["f"]
    assert "m-without-schedule" not in family["rows"]
    line = "schedule can't be put back by itself: the default one needs a learning_rate"
    assert line in family["left_out"]
    with pytest.raises(InputError, match=rf"models\.f\.ablate\.settings: {line}"):
        complete(schema, {"m": of_values, "f": {"ablate": {"of": "m", "settings": ["schedule"]}}})
    two = {name: {"grid": {"of": "m", "epochs": [5]}} for name in "fg"}
    with pytest.raises(InputError, match=r"models\.g\.grid: its row m-epochs-5 is the name of a row of f; change"):
        complete(schema, {"m": {}, **two})
    wrong = {"of": "m", "optimizer": [{"name": "adamw", "weight_decai": 0.02}]}
    with pytest.raises(InputError, match=r"models\.f\.grid\.optimizer\[0\]\.weight_decai: unknown key; did you mean"):
        complete(schema, {"m": {}, "f": {"grid": wrong}})
