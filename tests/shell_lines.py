"""Command lines of documents, and what they name that does not exist.

Known are make and its targets, `mlflow run` and the entry points, steps and commands with their options. Programs of others are
theirs to check.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import click
import yaml

from recipeline.cli.main import COMMANDS, load_command
from tests.conftest import ROOT

MAKEFILES = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "development.mk"))
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILES, re.MULTILINE))
ENTRY_POINTS: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
#: Targets that are no command: their parameters are those of pytest, benchmarks and the like.
OF_DEVELOPERS = set(re.findall(r"^([a-z-]+):", (ROOT / "development.mk").read_text(encoding="utf-8"), re.MULTILINE))
STEPS = ("main", "ingest", "split", "train", "evaluate", "register", "promote")
#: Programs of this project; a word that is nearly one of them is a mistake.
OURS = ("make", "mlflow", "recipeline", "python")


_KEYWORDS = ("do", "then", "else", "if", "while", "!", "exec", "time", "sudo")


def lines_of(text: str) -> Iterator[str]:
    """Yield the commands of a block of shell, without here-documents."""
    end = joined = ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if end:
            end = "" if line.strip() == end else end
            continue
        if not joined and (not line.strip() or line.lstrip().startswith("#")):
            continue
        joined = f"{joined}\n{line}" if joined else line
        if _words(joined) is None:  # a quote goes on in the next line
            continue
        here = re.search(r"<<-?\s*['\"]?(\w+)", joined)
        end = here[1] if here else ""
        yield joined
        joined = ""
    if joined:
        yield joined


def _words(line: str) -> list[str] | None:
    """Return the words and operators of a line; None for an open quote."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return None


def faults_of(line: str) -> list[str]:
    """Return what a command line names that does not exist."""
    words = _words(re.sub(r"^\w+=\$\((.*)\)$", r"\1", line.strip()))
    if words is None:
        return [f"a quote is not closed: {line}"]
    commands: list[list[str]] = [[]]
    for word in words:
        if re.fullmatch(r"[|&;()]+", word):
            commands.append([])
        else:
            commands[-1].append(word)
    return [fault for command in commands for fault in _faults(command)]


def _faults(words: list[str]) -> list[str]:
    words = list(takewhile(lambda word: not re.fullmatch(r"[<>]+-?", word), words))
    while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in _KEYWORDS):
        words.pop(0)
    if not words:
        return []
    program, *rest = words[0].removeprefix(".venv/bin/").removesuffix("3"), *words[1:]
    if program == "make":
        return _make_faults(rest)
    if program == "mlflow":
        return _mlflow_faults(rest)
    if program == "recipeline":
        return _option_faults(rest)
    if program == "python" and rest[:1] == ["-m"]:
        return _module_faults(rest[1], rest[2:])
    near = difflib.get_close_matches(program, OURS, n=1, cutoff=0.7)
    return [f"no program {program}, {near[0]}?"] if near and program not in OURS else []


def _make_faults(words: list[str]) -> list[str]:
    targets = [word for word in words if "=" not in word]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    faults = [f"no target {name}" for name in targets if name not in TARGETS]
    faults += [f"no variable {name}" for name in settings if not re.search(rf"^{name} \?=", MAKEFILES, re.MULTILINE)]
    for name in targets if "ARGS" in settings and not faults else ():
        if name not in OF_DEVELOPERS:
            given = [word.split("=", 1)[0].removeprefix("--") for word in shlex.split(settings["ARGS"])]
            faults += _unknown({"pipeline": "main"}.get(name, name), [f"--{it.replace('_', '-')}" for it in given])
    return faults


def _mlflow_faults(words: list[str]) -> list[str]:
    if words[0] != "run":
        return [] if words[0] in ("ui", "models", "server", "gc", "db") else [f"mlflow has no command {words[0]}"]
    name = words[words.index("-e") + 1] if "-e" in words else "main"
    if name not in ENTRY_POINTS:
        return [f"no entry point {name}"]
    given = [words[place + 1].split("=")[0] for place, word in enumerate(words) if word == "-P"]
    return [f"{name} has no parameter {it}" for it in given if it not in ENTRY_POINTS[name]["parameters"]]


def _module_faults(module: str, words: list[str]) -> list[str]:
    if module == "recipeline":
        return _option_faults(words)
    if module.startswith("steps."):
        return _option_faults([module.removeprefix("steps."), *words])
    return [] if importlib.util.find_spec(module) else [f"no module {module}"]


def _option_faults(words: list[str]) -> list[str]:
    if not words or words[0].startswith("-"):
        return []
    return _unknown(words[0], [word.split("=")[0] for word in words[1:] if word.startswith("--")])


def _unknown(name: str, options: list[str]) -> list[str]:
    command = _command(name)
    if command is None:
        return [f"no command {name}"]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [f"{name} has no option {option}" for option in options if option not in known]


def _command(name: str) -> click.Command | None:
    if name in STEPS:
        found: click.Command = getattr(importlib.import_module(f"steps.{name}"), name)
        return found
    word = name.replace("_", "-")
    return load_command(word) if word in COMMANDS else None
