"""The documentation knows every setting and its default, and its links lead somewhere."""

import copy
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

PROGRAM = ROOT / "docs/settings_tables.py"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program():
    return load(PROGRAM)


def test_the_tables_are_those_of_the_schema():
    check = subprocess.run([sys.executable, PROGRAM, "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


def test_every_setting_has_a_row_and_a_change_of_it_shows(program, schema):
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for key in ("dataset.name", "training.checkpoint_epochs", "seeds", "published.source"):
        assert f"| `{key}` | " in page
    for key in schema["$defs"]["model"]["properties"]:
        assert f"| `{key}` | " in page
    for place, key in (("settings", "epochs"), ("settings", "decay"), ("model", "description")):
        changed = copy.deepcopy(schema)
        changed["$defs"][place]["properties"][key]["description"] = "Something else. And more."
        assert "Something else |" in program.tables(changed)["model"]
        assert program.with_tables(page, changed) != page


def test_a_row_has_the_default_the_meaning_and_what_it_applies_to(program, schema):
    table = program.tables(schema)["model"].splitlines()
    assert (
        "| `weight_decay` | 0 | With `optimizer` `sgd` or `muon`: L2 penalty; times the weight, it is added to the"
        in "\n".join(table)
    )
    assert len(table) == 2 + len(schema["$defs"]["model"]["properties"])
    study = program.tables(schema)["study"]
    assert "| `seeds` | `[1]` | Every model is trained once per seed |" in study
    assert "| `dataset.size` | 32 | With `name` `folder`: Height and width" in study


def test_the_pages_of_the_study_have_the_tables_of_its_runs():
    pages = "".join((ROOT / f"docs/study/{name}.md").read_text(encoding="utf-8") for name in ("index", "answers"))
    tables = load(ROOT / "docs/study/tables.py").tables()
    assert [table.splitlines()[2].split(" |")[0] for table in tables if table not in pages] == []


def anchors(page):
    """Return the anchors of the headings of a page of Markdown, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "results/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith(("http:", "https:", "../../actions/")):  # the last are pages of GitHub's
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_badges_are_true():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (snakemake,) = re.findall(r'min_version\("([\d.]+)"\)', (ROOT / "Snakefile").read_text(encoding="utf-8"))
    (oldest, too_new) = re.search(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ).groups()
    assert f"[![Snakemake {snakemake} or newer](https://img.shields.io/badge/snakemake-%E2%89%A5{snakemake}-" in readme
    newest = int(too_new) - 1
    assert (
        f"[![Python 3.{oldest} to 3.{newest}](https://img.shields.io/badge/python-3.{oldest}%20to%203.{newest}-"
        in readme
    )
    assert "[![CI](../../actions/workflows/ci.yml/badge.svg)]" in readme
    assert (ROOT / ".github/workflows/ci.yml").exists()


def test_every_page_can_be_found_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            links = re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
            todo += [
                (page.parent / link).resolve() for link in links if not link.startswith(("http", "../../actions/"))
            ]
    assert set(PAGES) <= seen | {ROOT / "docs/index.md", ROOT / "results/README.md"}  # which lead there themselves


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", tmp_path]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # what a theme says of its own future
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "index.html").exists()
