"""First lines of docstrings are short and plain, and errors name a problem.

No error asks for something absent with "must".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from recipeline import errors
from tests.conftest import ROOT

FOLDERS = ("recipeline", "steps", "custom", "benchmarks", "scripts", "website", "examples", "tests/benchmarks")
LONGEST = 80
#: Words that a sentence does not open with.
OPENINGS = re.compile(r"(What|Whatever|Who|Whoever|Whom|Whose|Of|Where|How|Which|When|Why|Everything|Nothing)\b(?! \w+:|:)")
#: Words that no sentence below the first line opens with either.
OPENINGS_BELOW = re.compile(r"(?:^|[.] )((?:What|Whatever|Whoever|Of)\b[^.]*)")
#: Words that an imperative does not open with; `Whether` is for predicates.
NO_VERB = re.compile(
    r"(The|A|An|All|Each|Every|Any|It|Its|This|These|That|Those|There|No|None|One|True|False|Rows?|If|In|With|By)\b"
)
#: Values of `got` that stand for something absent.
ABSENT = re.compile(r"(none|nothing|no|fewer)\b", re.IGNORECASE)

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def is_property(node: Definition) -> bool:
    names = [ast.unparse(it) for it in getattr(node, "decorator_list", [])]
    return any(name.rpartition(".")[2] in ("property", "cached_property", "setter") for name in names)


def faults_of(node: Definition, first: str) -> Iterator[str]:
    """Yield each rule that the first line of a definition's docstring breaks."""
    if len(first) > LONGEST:
        yield f"{len(first)} characters"
    if not first.endswith("."):
        yield "no period"
    if OPENINGS.match(first):
        yield f"opens with {first.split()[0]}"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(node) and NO_VERB.match(first):
        yield f"not imperative: {first.split()[0]}"


def definitions_in(node: ast.AST) -> Iterator[Definition]:
    """Yield a module, class or function and all definitions inside of it."""
    if isinstance(node, Definition):
        yield node
    # No expression holds a definition with a docstring: to pass over them takes a third of the time.
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        below = getattr(node, field, None)
        for it in below if isinstance(below, list) else ():
            yield from definitions_in(it)


def docstring_faults(tree: ast.Module) -> list[str]:
    found = []
    for node in definitions_in(tree):
        if text := ast.get_docstring(node):
            name = getattr(node, "name", "module")
            first, _, below = text.partition("\n")
            found += [f"{name}: {fault}: {first}" for fault in faults_of(node, first)]
            for paragraph in re.split(r"\n\s*\n", below):
                found += [f"{name}: opens so: {it}" for it in OPENINGS_BELOW.findall(" ".join(paragraph.split()))]
    return found


def words_of(node: ast.expr | None) -> str:
    """Return the constant text of a string expression; values are `{}`.

    Formatted strings, and joins or choices of strings, are such expressions.
    """
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "{}"
    if isinstance(node, ast.JoinedStr):
        return "".join(words_of(part) for part in node.values)
    if isinstance(node, ast.IfExp):
        return f"{words_of(node.body)} | {words_of(node.orelse)}"
    return "{}" if node is not None else ""


def error_names(tree: ast.Module) -> set[str]:
    """Return the names of exceptions a user can cause, and this module's."""
    names = {name for name, it in vars(errors).items() if isinstance(it, type) and issubclass(it, errors.RecipelineError)}
    names |= {"RefusedModel", "NoConnectionError"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(base) for base in node.bases}:
            names.add(node.name)
    return names


def message_faults(tree: ast.Module) -> list[str]:
    found, names = [], error_names(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args):
            continue
        words = words_of(node.args[0])
        got = next((words_of(it.value) for it in node.keywords if it.arg == "got"), "")
        if OPENINGS.match(words):
            found.append(f"opens with {words.split()[0]}: {words}")
        inline = re.search(r"\bGot (none|nothing|no)\b", words)
        if re.search(r"\bmust\b", words) and (inline or any(ABSENT.match(part) for part in got.split(" | "))):
            found.append(f"'must' for something absent: {words} Got {got}")
    return found


def sentences_of(path: Path) -> list[str]:
    tree = tree_of(path)
    return [f"{path.relative_to(ROOT)}: {fault}" for fault in docstring_faults(tree) + message_faults(tree)]


def test_sentences_follow_the_rules() -> None:
    assert [fault for path in files() for fault in sentences_of(path)] == []


def test_docstrings_of_the_tests_follow_all_rules_but_one() -> None:
    """Fixtures and tests state facts: their first lines need not be imperative."""
    faults = {str(path.relative_to(ROOT)): docstring_faults(tree_of(path)) for path in sorted((ROOT / "tests").rglob("*.py"))}
    assert {"tests/conftest.py", "tests/reports/conftest.py", "tests/website/test_build.py"} <= {*faults}
    assert [f"{name}: {it}" for name, found in faults.items() for it in found if ": not imperative: " not in it] == []


def absent_in(script: str) -> list[str]:
    """Return the lines of a shell script that say `must` of something absent."""
    return [line for line in script.splitlines() if re.search(r"\bmust\b.*\bGot (none|nothing|no)\b", line)]


def test_scripts_say_what_is_absent_without_must() -> None:
    paths = [ROOT / "Makefile", ROOT / "development.mk", *(path for path in (ROOT / "scripts").iterdir() if path.is_file())]
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    assert {"audit", "venv"} <= {*texts}
    assert {name: lines for name, text in texts.items() if (lines := absent_in(text))} == {}
    assert absent_in('echo "setup: a Python must be on PATH. Got none instead." >&2')
    assert not absent_in("echo \"setup: EXTRAS must be among: s3. Got 'no' instead.\" >&2")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (f'"""{"Long " * 15}lines."""', "81 characters"),
        ('"""No end"""', "no period"),
        ('"""What a card is made of."""', "opens with What"),
        ('"""Rows.\n\nThey are read. Of two, the\nfirst counts.\n"""', "opens so: Of two, the first counts"),
        ('"""Rows.\n\nWhatever is missing is empty.\n"""', "opens so: Whatever"),
        ('def f():\n    """Of the rows, the first."""', "opens with Of"),
        ('def f():\n    """The rows."""', "not imperative: The"),
        ('raise UsageError("Whoever asks must have a token.")', "opens with Whoever"),
        ('raise DataError(f"{name} must have rows.", got="none")', "'must' for something absent"),
        ('raise DataError("It must be there.", got=f"nothing in {path}")', "'must' for something absent"),
        ('raise DataError("It must be there.", got=x if x else "no file")', "'must' for something absent"),
        ('raise DataError("It must be there. Got none instead.")', "'must' for something absent"),
        ('class Mine(DataError): ...\nraise Mine("It must be there.", got="none")', "'must' for something absent"),
    ],
)
def test_a_sentence_that_breaks_a_rule_is_found(source: str, fault: str) -> None:
    tree = ast.parse(source)
    (found,) = docstring_faults(tree) + message_faults(tree)
    assert fault in found


@pytest.mark.parametrize(
    "source",
    [
        '"""Why: the origin of a version."""',
        '"""Who served: the version in Production at a time."""',
        '"""Rows.\n\nSource: Hesterberg 2015, What Teachers Should Know. Some are of others.\n"""',
        'def f():\n    """Whether a row is complete."""',
        'class A:\n    @property\n    def b(self):\n        """The rows."""',
        'raise UsageError("port must be a number.", got=f"{port!r}")',
        'raise UnavailableError("No challenger to approve.", fix="Register one.")',
    ],
)
def test_a_plain_sentence_passes(source: str) -> None:
    tree = ast.parse(source)
    assert docstring_faults(tree) + message_faults(tree) == []
