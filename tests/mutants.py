"""Break the library a line at a time, and count the breaks that the tests of the module don't see.

    python tests/mutants.py [MODULE ...] [--sample 20] [--jobs 2]

MODULE: as `report/table`; without one, all. A mutant is a module with one small change: a comparison, an operator, a
constant, a condition, a returned value, a statement, an argument or an element that is another one or gone. It is
killed if a test of the module fails, or if these take three times as long and half a minute more. `--sample` mutants of
a module are drawn, always the same ones as long as the module stays as it is. The tests that run its line come first.

The counts go to docs/mutants.md, and what survived. A survivor that no test could kill, since it does the same, stands
in tests/equivalent_mutants.txt with the reason: module, line before, line after, why.
"""

import argparse
import ast
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE, EQUIVALENT = ROOT / "docs/mutants.md", ROOT / "tests/equivalent_mutants.txt"
# What tests import and don't change: a process that has it is forked for every mutant.
PRELOADED = [
    "pandas",
    "scipy.stats",
    "matplotlib.figure",
    "PIL.Image",
    "sklearn.datasets",
    "jsonschema",
    "yaml",
    "snakemake.cli",
]
PRELOADED_FOR_TRAINING = ["tensorflow", "keras"]
TESTS = {  # of a module, or of all in a folder; the others have those of their own name
    "class_folders": ["folder"],
    "data/cifar": ["cifar10", "datasets"],
    "data/datasets": ["datasets", "cifar10", "folder", "own_data"],
    "data/idx": ["own_data"],
    "data/pictures": ["folder"],
    "folder": ["working_folder"],
    "own_files": ["own_files", "own_data", "own_network"],
    "plan": ["keys", "families", "progress"],
    "report/figures": ["figures", "looks"],
    "report/outputs": ["outputs", "keys"],
    "report/statistics": ["statistics", "diff"],
    "report/status": ["progress"],
    "report/wording": ["table", "statistics"],
    "settings/check": ["settings", "families", "optimizers", "own_network"],
    "settings/networks": ["settings", "own_network"],
    "settings/recipes": ["optimizers"],
    "settings/specs": ["settings", "keys"],
    "settings/text": ["config_text"],
    "settings/words": ["settings", "families", "optimizers"],
    "sources": ["own_data", "folder"],
    "training/dispatch": ["network", "optimizers"],
    "training/evaluate": ["run"],
    "training/evaluation": ["augmentation"],
    "training/loop": ["training", "checkpoint", "augmentation", "own_network"],
    "training/networks": ["network", "layers", "own_network"],
    "training/optimizers": ["optimizers"],
    "training/pace": ["progress"],
    "training/run": ["run", "checkpoint"],
    "training/schedules": ["optimizers"],
}
OTHER = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in", ast.And: "or", ast.Or: "and"},
    **{ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*"},
    **{ast.BitAnd: "|", ast.BitOr: "&", ast.MatMult: "*"},
}
OPERATOR = r"<=|>=|==|!=|is\s+not\b|not\s+in\b|is\b|in\b|and\b|or\b|\*\*|//|[-<>+*/%&|@]"
UNCHANGED = {"annotation", "returns", "decorator_list", "format_spec", "type_params"}  # fields of `ast`


@dataclass(frozen=True)
class Mutant:
    module: str
    line: int
    lines: range  # of the statement that is changed, without those in it
    old: str
    new: str
    source: str


def module_path(module, root=ROOT):
    path = root / "scripts/ablation" / module
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules():
    folder = ROOT / "scripts/ablation"
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py"))
    return sorted(name.removesuffix("/__init__") for name in names if name != "__init__")


def test_files(module):
    names = TESTS.get(module) or TESTS.get(str(Path(module).parent)) or [Path(module).name]
    return [f"tests/test_{name}.py" for name in names]


def mutants(module, sample):
    """Return `sample` mutants of a module, or all that it has, in the order of its lines."""
    data = module_path(module).read_bytes()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree, found = ast.parse(data), []
    changed = {
        (*change, lines)
        for node, lines in nodes(tree, range(0), data, starts)
        for change in changes(node, data, starts)
    }
    candidates = sorted(changed, key=lambda change: change[:3])
    random.Random(module).shuffle(candidates)
    for start, end, text, lines in candidates:
        if len(found) == sample:
            break
        source = data[:start] + text.encode() + data[end:]
        try:
            same = ast.dump(ast.parse(source)) == ast.dump(tree)
        except SyntaxError:
            continue
        if not same:
            first, last = data.rfind(b"\n", 0, start) + 1, data.find(b"\n", end)
            old, new = data[first:last], data[first:start] + text.encode() + data[end:last]
            old, new = (" ".join(part.decode().split()) for part in (old, new))
            found.append(Mutant(module, data.count(b"\n", 0, start) + 1, lines, old, new, source.decode()))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.new))


def span(node, starts):
    """Return the first byte of a node and the one after it."""
    return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset


def nodes(node, lines, data, starts):
    """Yield what is to be changed below a node, each with the lines of its statement."""
    if isinstance(node, ast.stmt):
        body = getattr(node, "body", None)
        lines = range(node.lineno, max(node.lineno, body[0].lineno - 1 if body else node.end_lineno) + 1)
    yield node, lines
    match node:
        case ast.Raise() | ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()) | ast.keyword(arg="strict"):
            return
        case ast.Call(func=ast.Attribute(value=ast.Name("logger"))) | ast.If(test=ast.Name("TYPE_CHECKING")):
            return
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=parts)):  # each needs its value
            for part in parts:
                yield from nodes(part, lines, data, starts)
            return
        case ast.FormattedValue(value=value):  # before Python 3.12, its place can be wrong
            try:
                there = ast.parse(data[slice(*span(value, starts))].decode(), mode="eval").body
            except (SyntaxError, UnicodeDecodeError):
                return
            if ast.dump(there) != ast.dump(value):
                return
    for name, field in ast.iter_fields(node):
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST) and name not in UNCHANGED:
                yield from nodes(child, lines, data, starts)


def changes(node, data, starts):
    """Yield (first byte, byte after the last, what is written there instead) for each change of a node alone."""

    def operators(operands, kinds):
        for left, right, kind in zip(operands, operands[1:], kinds, strict=False):
            start, end = span(left, starts)[1], span(right, starts)[0]
            if type(kind) in OTHER and (found := re.search(OPERATOR.encode(), data[start:end])):
                yield start + found.start(), start + found.end(), OTHER[type(kind)]

    def without_each(parts, needed=()):
        spans = sorted(part if isinstance(part, tuple) else span(part, starts) for part in parts)
        for number, (start, end) in enumerate(spans):
            if (start, end) in [span(part, starts) for part in needed]:
                continue
            if number + 1 < len(spans):
                yield start, spans[number + 1][0], ""
            else:
                yield (spans[number - 1][1] if number else start), end, ""

    match node:
        case ast.Compare():
            yield from operators([node.left, *node.comparators], node.ops)
        case ast.BoolOp():
            yield from operators(node.values, [node.op] * len(node.values))
        case ast.BinOp() if not any(map(is_text, (node.left, node.right))):
            yield from operators([node.left, node.right], [node.op])
        case ast.AugAssign():
            yield from operators([node.target, node.value], [node.op])
            yield *span(node, starts), "pass"
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield span(node, starts)[0], span(node.operand, starts)[0], ""
        case ast.Constant(value=bool()):
            yield *span(node, starts), str(not node.value)
        case ast.Constant(value=int()):
            yield *span(node, starts), str(node.value + 1)
        case ast.Constant(value=float()):
            yield *span(node, starts), repr(1.5 * node.value or 1.0)
        case ast.Constant(value=str()) if node.value.isidentifier():
            yield *span(node, starts), repr(f"{node.value}_")
        case ast.Return(value=ast.expr() as value):
            yield *span(value, starts), "None"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue() | ast.Break():
            yield *span(node, starts), "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield *span(node, starts), "pass"
        case ast.If(test=test) | ast.IfExp(test=test):
            yield *span(test, starts), "True"
            yield *span(test, starts), "False"
        case ast.While(test=test):
            yield *span(test, starts), "False"
        case ast.comprehension(ifs=[*tests]):
            for test in tests:
                yield *span(test, starts), "True"
        case ast.Call(args=[*args], keywords=[*keywords]):
            if not any(isinstance(arg, ast.GeneratorExp) for arg in args):
                needed = [*(args[:-1] or args), *(keyword for keyword in keywords if keyword.arg == "strict")]
                yield from without_each([*args, *keywords], needed)
        case ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts, ctx=ast.Load()) | ast.Set(elts=parts):
            if len(parts) > 1:
                yield from without_each(parts)
        case ast.Dict(keys=keys, values=values) if len(values) > 1 and all(keys):
            pairs = zip(keys, values, strict=True)
            yield from without_each((span(key, starts)[0], span(value, starts)[1]) for key, value in pairs)


def is_text(node):
    """Tell whether a node is a text or a list, which no arithmetic but + is for; as is `folder / "name"`."""
    return isinstance(node, ast.JoinedStr | ast.List) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


class Watch:
    """A plugin of pytest that notes of each test that passes its seconds and the lines of a file that it runs."""

    def __init__(self, path, notes):
        self.path, self.notes, self.tests, self.failed = str(path), notes, {}, set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.lines, start = set(), time.monotonic()
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.tests[item.nodeid] = (time.monotonic() - start, sorted(self.lines))

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename == self.path:
            self.lines.add(frame.f_lineno)
            return self.trace
        return None

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self):
        self.notes.write_text(json.dumps({name: self.tests[name] for name in self.tests if name not in self.failed}))


class Order:
    """A plugin of pytest that runs the tests that are named, in this order, and no others."""

    def __init__(self, names):
        self.rank = {name: number for number, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((item for item in items if item.nodeid in self.rank), key=lambda item: self.rank[item.nodeid])


def run_tests(copy, files, plugin, limit, *options):
    """Run tests of a copy of the checkout in a process of their own; return pytest's exit status, None if killed."""
    process = os.fork()
    if not process:
        try:
            os.setsid()
            os.chdir(copy)
            for descriptor, name in enumerate((os.devnull, copy.parent / "output", copy.parent / "output")):
                os.dup2(
                    os.open(name, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if descriptor == 1 else os.O_APPEND)), descriptor
                )
            os.environ |= {"PYTHONPATH": str(copy / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
            sys.dont_write_bytecode = True
            sys.path[0] = str(copy / "scripts")
            common = ["-m", "not faults and not slurm", "-q", "-p", "no:cacheprovider", f"--basetemp={copy.parent}/tmp"]
            os._exit(pytest.main([*common, *options, *files], plugins=[plugin]))
        finally:
            os._exit(3)
    end = time.monotonic() + limit
    while not (ended := os.waitpid(process, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # what it left running too
    return os.waitstatus_to_exitcode(ended[1]) if ended[0] else os.waitpid(process, 0) and None


def make_copy():
    """Copy the checkout, as a repository of its own, for this process of the pool; it ends with the pool."""
    global COPY
    COPY = Path(tempfile.mkdtemp(prefix="mutants-", dir=FOLDER)) / "checkout"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    identity = ["-c", "user.name=mutants", "-c", "user.email=mutants@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "copy"]):
        subprocess.run(["git", *command], cwd=COPY, check=True)


def baseline(module):
    """Return the tests of a module: their seconds and the lines that they run; None if one fails without a change."""
    path = module_path(module, COPY)
    source = path.read_text()
    path.write_text(f"{source}\npass\n")
    status = run_tests(COPY, test_files(module), Watch(path, COPY.parent / "notes"), 1800)
    path.write_text(source)
    if status:
        print(f"{module}: its tests fail without a change\n{(COPY.parent / 'output').read_text()[-4000:]}", flush=True)
        return None
    return json.loads((COPY.parent / "notes").read_text())


def survives(job):
    """Tell whether a mutant survives the tests."""
    mutant, tests = job
    path = module_path(mutant.module, COPY)
    source = path.read_text()
    path.write_text(mutant.source)

    running = {name: not set(mutant.lines).isdisjoint(lines) for name, (_, lines) in tests.items()}
    of_files = Counter()  # seconds: the file that takes least comes first
    for name, (seconds, _) in tests.items():
        of_files[name.partition("::")[0]] += seconds if running[name] else 0

    def order(name):
        file = name.partition("::")[0]
        return not running[name], of_files[file], file, tests[name][0]

    limit = 30 + 3 * sum(seconds for seconds, _ in tests.values())
    status = run_tests(COPY, test_files(mutant.module), Order(sorted(tests, key=order)), limit, "-x")
    path.write_text(source)
    return status == 0


def equivalents():
    """Return the reasons of tests/equivalent_mutants.txt by module, line before and line after."""
    found = {}
    for block in filter(None, map(str.strip, EQUIVALENT.read_text().split("\n\n"))):
        module, old, new, *reason = block.splitlines()
        found[module, old.removeprefix("- "), new.removeprefix("+ ")] = " ".join(reason)
    return found


HEADER = """# Mutants

Written by `make mutants`, which breaks each module of the library a line at a time and runs the module's tests
(`tests/mutants.py`): a comparison, an operator, a constant, a condition, a returned value, a statement, an argument or
an element is another one or gone. Of each module 20 are drawn, or as many as the table says; a module that is not in it
was not looked at. Equivalent mutants do the same as the module: `tests/equivalent_mutants.txt` has them and the
reasons. The rest was killed by a test, or survived.

| module | mutants | killed | equivalent | survived | survived of those not equivalent |
|---|---|---|---|---|---|
"""


def write_page(module, row, survivors):
    """Replace what docs/mutants.md says of a module."""
    lines = PAGE.read_text().splitlines() if PAGE.exists() else []
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")} | {module: row}
    listed = [
        line for line in lines if line.startswith("- `") and line.split("`")[1].split(":")[0] != module
    ] + survivors
    text = HEADER + "\n".join(rows[name] for name in modules() if name in rows) + "\n"
    PAGE.write_text(text + "".join(["\n## Survivors\n\n", *(f"{line}\n" for line in sorted(listed))] if listed else []))


def main():
    global FOLDER
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", choices=modules(), default=modules())
    parser.add_argument("--sample", type=int, default=20, help="mutants of a module")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count(), 8), help="mutants at a time")
    arguments = parser.parse_args()
    training = any(module.startswith("training") for module in arguments.modules)
    for name in [*PRELOADED, *(PRELOADED_FOR_TRAINING if training else [])]:
        importlib.import_module(name)
    gc.freeze()
    with tempfile.TemporaryDirectory() as FOLDER:
        drawn = {module: mutants(module, arguments.sample) for module in arguments.modules}
        judged = [judge(module, of_module, arguments.jobs) for module, of_module in drawn.items() if of_module]
    return 0 if all(judged) else 1


def judge(module, drawn, jobs):
    """Run the tests on mutants of a module, and say on the terminal and in docs/mutants.md which survive.

    Returns whether that could be done.
    """
    start, reasons, same, survivors = time.monotonic(), equivalents(), 0, []
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, make_copy) as pool:  # whose processes may start others, as a Pool's may not
        if (tests := pool.submit(baseline, module).result()) is None:
            return False
        for mutant, survived in zip(drawn, pool.map(survives, [(each, tests) for each in drawn]), strict=True):
            if survived and (module, mutant.old, mutant.new) in reasons:
                same += 1
            elif survived:
                survivors.append(f"- `{module}:{mutant.line}` `{mutant.old}` → `{mutant.new}`")
                print(survivors[-1], flush=True)
    rest = len(drawn) - same
    percent = f"{100 * len(survivors) / rest if rest else 0:.0f}%"
    counts = (len(drawn), rest - len(survivors), same, len(survivors), percent)
    write_page(module, f"| `{module}` | {' | '.join(map(str, counts))} |", survivors)
    seconds = f"{len(tests)} tests, {time.monotonic() - start:.0f} s"
    print("{}: {} mutants, {} killed, {} equivalent, {} survived ({}); {}".format(module, *counts, seconds), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
