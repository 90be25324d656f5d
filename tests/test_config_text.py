"""The config as text: what is wrong has a file and a line, no key is lost, and models keep the order of the files."""

import pytest
import yaml
from snakemake.common.configfile import load_configfile

from ablation.errors import InputError
from ablation.settings import check, text
from conftest import Checkout, write_digits
from test_reruns import TINY

# ruff: noqa: E501  a case a line
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def places_of(tmp_path, monkeypatch):
    """A function from the text of config.yaml, as text or bytes, to the places of its settings."""
    monkeypatch.chdir(tmp_path)

    def read(content, *arguments):
        (tmp_path / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return text.read_places(["config.yaml"], arguments)

    return read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title: x\nseeds: [1, 2\nmodels: {a: {}}\n", "line 2: is not valid YAML: while parsing a flow sequence, .* in line 3"),
        ("models: {a: {}\ntitle: x\n", "line 1: is not valid YAML: while parsing a flow mapping"),
        ("title: 'x\nmodels: {a: {}}\n", "line 1: is not valid YAML: while scanning a quoted scalar"),
        ("title: x\nmodels:\n\ta: {}\n", "line 3: is not valid YAML: .*; indent with spaces, not tabs"),
        ("title: x\nmodels:\n  a: {}\n b: {}\n", "line 4: is not valid YAML: while parsing a block mapping"),
        ("title: x: y\n", "line 1: is not valid YAML: mapping values are not allowed"),
        ("title: @x\n", "line 1: is not valid YAML: .*any token$"),
        ("a: 1\n---\nb: 2\n", "line 2: is not valid YAML: expected a single document"),
        ("a: *b\n", "line 1: is not valid YAML: found undefined alias"),
        ("models: {a: {}, a: {}}", "line 1: models.a: is given twice, first in line 1"),
        ("models:\n  a: {}\n  b: {}\n  a: {epochs: 2}\n", "line 4: models.a: is given twice, first in line 2"),
        ("title: x\nseeds: [1]\n'title': y\n", "line 3: title: is given twice, first in line 1"),
        ("x: [{a: 1, a: 2}]", r"line 1: x.0.a: is given twice"),
        ('{\n\t"a": 1,\n\t"a": 2\n}', "line 3: a: is given twice, first in line 2"),
        ("? |\n  x\n: 1\n? |\n  x\n: 2\n", r"line 4: 'x\\n': is given twice"),
        ("a: {<<: {b: 1}, c: 2,\n <<: {d: 1}}", "line 2: '<<' is given twice, first in line 1"),
        ("x: &x {b: 1}\ny: &y {b: 2}\nz: {<<: [*x, *y]}", "line 3: '<<' merges 'b' twice; write its value here"),
        ("x: &x {b: 1}\ny: &y {<<: *x}\nz:\n  <<: [{b: 3}, *y]", "line 4: '<<' merges 'b' twice; write its value here"),
        ("title: ?str(1)\n__use_yte__: true", "line 2: __use_yte__: would run code that the config has; write the values"),
        ("models: {1: {}}", "line 1: models.1: a key must be text; put it in quotes"),
        ("models:\n  on: {}", "line 2: models.on: a key must be text"),
        ("~: x", "line 1: ~: a key must be text"),
        ("[a]: x", "line 1: .*a key must be text"),
        ("", "line 1: is empty"),
        ("# nothing\n", "line 1: is empty"),
        ("- a\n- b\n", "line 1: is a list"),
        ("hello\n", "line 1: is one value"),
        ("a: &a {b: *a}\n", "line 1: aliases"),
        (BOMB, "line 1: aliases"),
        ("[" * 5000, "line 1: is not valid YAML|is nested too deeply"),
        ("title: x".encode("utf-16"), "is not encoded in UTF-8"),
        ("title: ä".encode("latin-1"), "is not encoded in UTF-8"),
        ("a: \x00\n", r"line 1: has the character '\\x00', which is no text"),
        ("a: b\nc: \x7f\n", r"line 2: has the character '\\x7f', which is no text"),
        ("title: !!python/object:os.system x", "line 1: is not valid YAML: could not determine a constructor for the tag"),
        ("title: x\nmodels: {a: {<<: 3}}", "line 2: is not valid YAML: while constructing a mapping, expected a mapping"),
        ("title: x\nseeds: [2026-13-45]", "line 2: is not valid YAML: '2026-13-45' can't be read .month must be"),
        (f"seeds: [{'9' * 5000}]", "line 1: is not valid YAML: .* can't be read .Exceeds the limit"),
        ("a:\tb\n", "line 1: is not valid YAML: .*tabs"),
        ("a: " + "[" * 99 + "]" * 99, "line 1: is nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_config_has_file_and_line(places_of, content, message):
    with pytest.raises(InputError, match=message) as error:
        places_of(content)
    assert str(error.value).startswith("config.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftitle: x\n",
        "a: &a {b: 1}\nc: {<<: *a, b: 2}\nd: {<<: [*a, *a]}\ne: {<<: [*a, {b: 2, c: 3}], b: 4}\n",
        "a: &a [1]\nb: *a\nc: [*a, *a]\n",
        '{\n\t"a": {"b": [1, 2]},\n\t"c": "\\ud83d\\ude00"\n}',
        "a: yes\nb: 2026-01-01\nc: 0o10\nd: .5\ne: ~\nf: |\n  a: b\n  a: c\n",
        "a:\r\n  b: 1\r\nc: 2\r\n",
    ],
)
def test_what_snakemake_reads_is_read(places_of, content):
    """And has a place for everything that Snakemake has a value for."""
    places = places_of(content)

    def ways(value, way=()):
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
        return {way} - {()} | {found for key, entry in pairs for found in ways(entry, (*way, key))}

    assert set(places) == ways(load_configfile("config.yaml"))
    assert all(place.where.startswith("config.yaml, line ") for place in places.values())


def test_own_keys_override_merged_ones_wherever_they_stand(places_of):
    places = places_of("a: &a {b: 1}\nc:\n  b: 2\n  <<: *a\n")
    assert places["c", "b"] == text.Place("config.yaml, line 3", "2")


def test_a_folder_or_a_file_of_somebody_else_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(InputError, match=r"config.yaml: can't be read \(Is a directory\)"):
        text.read_places(["config.yaml"], [])
    assert text.read_places(["absent.yaml"], []) == {}  # Snakemake says so, or needs none


@pytest.mark.parametrize("written", ["2026", "0010", "1.10", "0x1F", "yes", "2026-01-01", "1_000", "12:30"])
def test_text_is_as_written(places_of, schema, written):
    config = {"title": yaml.safe_load(written), "models": {"a": {"description": yaml.safe_load(written)}}}
    places = places_of(f"title: {written}\nmodels: {{a: {{description: {written}}}}}\n")
    config = check.validate_and_fill(text.as_written(config, places, schema), schema)
    assert config["title"] == config["models"]["a"]["description"] == written
    places = places_of("title: x\n", f"title={written}")
    assert text.as_written({"title": yaml.safe_load(written)}, places, schema) == {"title": written}


@pytest.mark.parametrize(("written", "value"), [("010", 8), ("0_17", 15), ("1:30", 90)])
def test_a_number_of_another_base_is_refused_where_it_looks_like_one_of_ten(places_of, schema, written, value):
    content = f"models:\n  a:\n    channels: [8, 8, 8, {written}]\n"
    with pytest.raises(
        InputError, match=rf"^models.a.channels\[3\]: YAML takes {written} for {value}; write the number"
    ):
        text.as_written(yaml.safe_load(content), places_of(content), schema)


def test_other_settings_are_not_turned_into_text(places_of, schema):
    content = "dataset: {archive: null}\nseeds: [1]\nmodels: {a: {epochs: 2, flip: none, decay: 1e-4}}\ntitle: {a: 1}\n"
    config = yaml.safe_load(content)
    assert text.as_written(config, places_of(content), schema) == config


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("models.a.epochs: expected an integer", "config.yaml, line 3: models.a.epochs: expected an integer"),
        ("models.a.dropout[1]: must be less", "config.yaml, line 6: models.a.dropout[1]: must be less"),
        ("models.a.chanels: unknown key", "config.yaml, line 2: models.a.chanels: unknown key"),
        ("models.b.epochs: must be", "--config: models.b.epochs: must be"),
        ("baseline: no such model", "baseline: no such model"),
    ],
)
def test_an_error_has_the_place_of_the_setting_it_names(places_of, message, expected):
    content = "models:\n  a:\n    epochs: x\n    dropout:\n      - 0.1\n      - 7\n  b: {epochs: 3}\n"
    places = places_of(content, "models={b: {epochs: 0}}")
    if "models.a" in message:
        places[("models",)] = text.Place("config.yaml, line 1", None)
    assert text.located(InputError(message), places) == expected


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("config_text"))
    write_digits(checkout.path)
    return checkout


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("title: x\nseeds: [1, 2\n", [], "config error: config.yaml, line 2: is not valid YAML"),
        ("models: {a: {}, b: {epochs: x}}\n", [], "config error: config.yaml, line 1: models.b.epochs: expected an integer"),
        (None, ["--configfile", "twice.yaml"], "config error: twice.yaml, line 3: models.c: is given twice"),
        (None, ["--config", "limits={epochs: x}"], "config error: --config: limits.epochs: expected an integer"),
        (None, ["repot"], "error: repot: nothing makes this; did you mean 'report'?"),
        (None, ["results/figures/los_a.png"], "error: results/figures/los_a.png: nothing makes this; did you mean 'results/figures/loss_a.png'?"),
        (None, ["-R", "tarin"], "error: tarin: nothing makes this; did you mean 'train'?"),
        (None, ["results/runs/b/seed2/metrics.json"], "error: results/runs/b/seed2/metrics.json: nothing makes this; did you mean 'results/runs/b/seed1/metrics.json'?"),
    ],
)  # fmt: skip
def test_snakemake_says_it_in_one_line(checkout, content, arguments, message):
    checkout.write("config.yaml", TINY)
    (checkout.path / "twice.yaml").write_text("models:\n  c: {}\n  c: {epochs: 2}\n")
    if content:
        (checkout.path / "config.yaml").write_text(content)
    run = checkout.snakemake("--dry-run", *arguments)
    assert run.returncode == 1
    (line,) = [line for line in run.stdout.splitlines() if "error" in line.lower()]
    assert line.startswith(message)
    assert "Traceback" not in run.stdout


def test_models_keep_the_order_of_the_files_and_the_first_is_the_baseline(checkout):
    (checkout.path / "config.yaml").write_text(yaml.safe_dump(TINY | {"models": {"z": {}, "a": {}}}, sort_keys=False))
    (checkout.path / "more.yaml").write_text("models: {k: {channels: [8, 8, 8, 4]}, a: {batch_size: 32}}")
    for arguments, models in (([], ["z", "a", "k"]), (["--replace-workflow-config"], ["k", "a"])):
        target = ["results/report/study.json", "--configfile", "more.yaml"]
        run = checkout.snakemake(*target, *arguments, "--config", "title=2026")
        assert run.returncode == 0, run.stdout
        study = yaml.safe_load((checkout.path / "results/report/study.json").read_text())
        assert list(study["facts"]["models"]) == models
        assert study["facts"]["baseline"] == models[0]
        assert study["facts"]["title"] == "2026"
