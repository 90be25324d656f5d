"""Which wing of the library imports which: none a later one, and what they share imports none."""

import ast

from ablation import keys
from conftest import ROOT

LIBRARY = ROOT / "scripts/ablation"
MAY_IMPORT = {  # besides itself; "" is what stands in no wing
    "": set(),
    "settings": {""},
    "data": {"", "settings"},
    "training": {"", "settings", "data"},
    "report": {"", "settings"},
}


def wing_of(module):
    """Return the wing that a module is in, by its dotted name."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else ""


def imports_of(path):
    """Return the modules of the library that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("ablation"))
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("ablation"):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [module for module in inner if keys._file(module)] or [node.module]


def test_no_wing_imports_a_later_one():
    seen = {}
    for path in LIBRARY.rglob("*.py"):
        own = path.relative_to(LIBRARY).parts
        wing = own[0] if len(own) > 1 else ""
        for module in imports_of(path):
            seen.setdefault(wing, {}).setdefault(wing_of(module), set()).add(f"{'/'.join(own)} -> {module}")
    assert set(seen) == set(MAY_IMPORT)
    for wing, imports in sorted(seen.items()):
        print(
            f"\n{wing or 'root'} imports {', '.join(sorted(other or 'root' for other in set(imports) - {wing}))}",
            end="",
        )
        for other, examples in imports.items():
            if wing == "" and other == "settings":  # the plan knows the settings
                assert {example.split(" ")[0] for example in examples} <= {"plan.py"}
            else:
                assert other == wing or other in MAY_IMPORT[wing], examples
