"""Mutants are small changes of every kind that the program names, always the same, each with tests to kill it."""

import pytest

import mutants

SOURCE = '''"""Doc."""
import os
LIMIT: int = 3


def f(a: int, b=0.5, *, c=True):
    """Doc."""
    if a < LIMIT and not c:
        raise ValueError("no", a)
    a.b = g(a + 1, key="name")
    for x in a:
        continue
    return [x for x in a if x] or zip(a, b, strict=True)
'''
CHANGED = {
    "LIMIT: int = 3": ["LIMIT: int = 4"],
    "def f(a: int, b=0.5, *, c=True):": ["def f(a: int, b=0.75, *, c=True):", "def f(a: int, b=0.5, *, c=False):"],
    "if a < LIMIT and not c:": [
        *("if True:", "if False:", "if a <= LIMIT and not c:", "if a < LIMIT or not c:", "if a < LIMIT and c:")
    ],
    'raise ValueError("no", a)': ["pass"],
    'a.b = g(a + 1, key="name")': [
        *("pass", 'a.b = g(a - 1, key="name")', 'a.b = g(a + 2, key="name")'),
        *("a.b = g(a + 1, key='name_')", "a.b = g(a + 1)"),
    ],
    "continue": ["pass"],
    "return [x for x in a if x] or zip(a, b, strict=True)": [
        *("return None", "return [x for x in a if True] or zip(a, b, strict=True)"),
        *("return [x for x in a if x] and zip(a, b, strict=True)", "return [x for x in a if x] or zip(a, strict=True)"),
    ],
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    monkeypatch.setattr(mutants, "module_path", lambda module: path)
    return "module"


def test_every_kind_of_change_and_nothing_of_types_texts_and_assertions(module):
    found = mutants.mutants(module, 1000)
    assert {(each.old, each.new) for each in found} == {(old, new) for old in CHANGED for new in CHANGED[old]}
    for each in found:
        unchanged = set(SOURCE.splitlines()) & set(each.source.splitlines())
        assert len(unchanged) >= len(set(SOURCE.splitlines())) - 1
        assert each.line in each.lines


def test_a_sample_is_the_same_ones_every_time_and_part_of_a_larger_one(module):
    few, same, more = (mutants.mutants(module, number) for number in (4, 4, 9))
    assert few == same
    assert len(few) == 4 and len(more) == 9 and set(few) < set(more)


def test_every_module_has_tests():
    for module in mutants.modules():
        if len(mutants.module_path(module).read_text().splitlines()) > 1:
            assert all((mutants.ROOT / file).exists() for file in mutants.test_files(module)), module


def test_equivalent_mutants_are_of_lines_that_are_there():
    for module, old, new in mutants.equivalents():
        text = " ".join(mutants.module_path(module).read_text().split())
        assert old in text, f"tests/equivalent_mutants.txt: {module} has no line {old!r} any more"
        assert new != old
