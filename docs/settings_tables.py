"""Write the tables of settings.md, from the schema.

The meaning is the first sentence of a description; a setting that applies only beside others says so.
"""

import argparse
import re
import sys
from pathlib import Path

from ablation.settings.specs import load_schema

PAGE = Path(__file__).with_name("settings.md")
LONGEST_DEFAULT = 40  # characters
HEAD = ["| key | default | meaning |", "|---|---|---|"]


def rows(rules, path=""):
    """Return the rows of a table for the settings of a section and of the sections in it."""
    found = []
    for key, rule in rules["properties"].items():
        if "properties" in rule:
            found += rows(rule, f"{path}{key}.")
        else:
            found.append(f"| `{path}{key}` | {default_of(rule)} | {meaning_of(rule)} |")
    return found


def default_of(rule):
    """Return a default as a cell: nothing if it is null, a mapping or absent."""
    value = rule.get("default")
    if value is None or isinstance(value, dict):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if len(text) > LONGEST_DEFAULT:
        return "in the schema"
    return text if isinstance(value, int | float) else f"`{text}`"


def either(values):
    """Return values in words: `a`, `b` or `c`."""
    *first, last = [f"`{value}`" for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def meaning_of(rule):
    """Return the first sentence of a description as a cell, and what the setting applies to."""
    first = re.split(r"\. (?=[A-Z`])", rule["description"])[0].rstrip(".")
    only = [f"`{other}` {either(values)}" for other, values in rule.get("x-only-with", {}).items()]
    first = first.replace("](docs/", "](")  # the page is next to what the schema links to
    return f"With {' and '.join(only)}: {first}" if only else first


def tables(schema):
    """Return the tables by the name in their markers."""
    model = schema["$defs"]["model"]["properties"]
    ordered = {"properties": {"description": model["description"], **schema["$defs"]["settings"]["properties"]}}
    return {"study": "\n".join(HEAD + rows(schema)), "model": "\n".join(HEAD + rows(ordered))}


def with_tables(text, schema):
    """Return the text of the page with the tables between their markers replaced."""
    for name, table in tables(schema).items():
        begin, end = f"<!-- settings of a {name}: make docs -->\n", "\n<!-- end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    arguments = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    new = with_tables(text, load_schema())
    if arguments.check and new != text:
        sys.exit(f"{PAGE.name}: its tables of settings are not those of the schema; run `make docs`")
    if new != text:
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
