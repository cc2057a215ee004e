"""Pages of the reference that are made from the code and so never out of date."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import click

from recipeline import artifacts
from recipeline.artifacts import ORDER, Artifact
from recipeline.cli.main import COMMANDS, load_command
from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.metrics.catalogue import METRICS, NEEDS, further_metric, list_further
from website.keys import keys_page
from website.markdown import cell, table

ROOT = Path(__file__).parents[1]

_API = """\
Python API
==========

What ``recipeline`` exports, and what its methods return. :doc:`../notebooks` shows its use; names that are not here may change
with any version.

.. autoclass:: recipeline.Project

.. autoclass:: recipeline.project.RunResult
   :exclude-members: project, name

.. autoclass:: recipeline.project.Production

Errors
------

.. automodule:: recipeline.errors
   :no-members:

.. autoclass:: recipeline.errors.RecipelineError
   :exclude-members: exit_code

.. autoclass:: recipeline.errors.UsageError
   :exclude-members: exit_code

.. autoclass:: recipeline.errors.DataError
   :exclude-members: exit_code

.. autoclass:: recipeline.errors.UnavailableError
   :exclude-members: exit_code
"""

_RECIPE = """Made from the types that read `recipe.yaml`. [Recipes](../recipe.md) explains how keys are used together, and
`recipeline check` lists all faults of a recipe. A name in angle brackets is one of your own."""

_PROFILE = (
    """Made from the types that read `profiles/<name>.yaml`. [Recipes](../recipe.md#profiles) says what goes before what."""
)


def generate() -> dict[str, str]:
    """Return the text of each page made from the code, by its place in the site."""
    return {
        "reference/recipe-keys.md": keys_page("Keys of a recipe", _RECIPE, Recipe),
        "reference/profile-keys.md": keys_page("Keys of a profile", _PROFILE, Profile),
        "reference/commands.md": commands_page(),
        "reference/artifacts.md": artifacts_page(),
        "reference/metrics.md": metrics_page(),
        "reference/api.rst": _API,
    }


def commands_page() -> str:
    """Return the page of all steps and commands with their options and help."""
    parts = [
        "# Options of steps and commands",
        "Made from the commands themselves: the same as `--help`. [Steps and commands](../reference.md) lists what they read "
        "and write, and their exit codes.",
        "## Steps",
        *(_command(f"python -m steps.{name}", _step(name)) for name in ("main", *ORDER)),
        "## Commands",
        *(_command(f"recipeline {name}", load_command(name)) for name in COMMANDS),
        "## Targets of make",
        table(("target", "effect"), [(f"`make {name}`", cell(text)) for name, text in targets(ROOT / "Makefile").items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _step(name: str) -> click.Command:
    command: click.Command = getattr(importlib.import_module(f"steps.{name}"), name)
    return command


def targets(makefile: Path) -> dict[str, str]:
    """Return the targets of a makefile that its help lists, with their texts."""
    found = re.findall(r"^([a-z-]+):.*## (.*)$", makefile.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def _command(words: str, command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "")
    prose, _, block = text.partition("\b\n")
    rows = [_parameter(it) for it in command.params]
    arguments = " ".join(it.make_metavar(click.Context(command)) for it in command.params if isinstance(it, click.Argument))
    parts = [f"### `{words}`", prose.strip()]
    if block:
        parts.append(f"```text\n{textwrap.dedent(block).strip()}\n```")
    if arguments:
        parts.append(f"Arguments: `{arguments}`")
    return "\n\n".join([*parts, table(("option", "default", "meaning"), [row for row in rows if row])])


def _parameter(parameter: click.Parameter) -> tuple[str, str, str] | None:
    if not isinstance(parameter, click.Option):
        return None
    name = ", ".join(f"`{it}`" for it in parameter.opts)
    words = f" `{cell(parameter.metavar)}`" if parameter.metavar else ""
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else "off" if parameter.is_flag else str(parameter.default or "none")
    return name + words, cell(default), cell(parameter.help or "")


def artifacts_page() -> str:
    """Return the page of all artifacts, and of the keys of those in JSON."""
    known = [(name, it) for name, it in vars(artifacts).items() if isinstance(it, Artifact)]
    comments = _comments()
    rows, parts = [], []
    for name, artifact in known:
        writer = f"`{artifact.step}`" if artifact.step != "*" else "all"
        form = Path(artifact.name).suffix.removeprefix(".")
        if artifact.type:
            schema = f"{Path(artifact.name).stem}.schema.json"
            parts.append(_record(artifact, schema))
            form = f"[json](#{re.sub('[^a-z0-9_-]', '', artifact.name.lower())})"
        about = comments.get(name, "") or _first_line(artifact)
        rows.append((f"`{artifact.name}`", writer, form, cell(about)))
    schemas = {f"{Path(it.name).stem}.schema.json" for _, it in known if it.type}
    others = [path.name for path in sorted((ROOT / "docs/schemas").glob("*.json")) if path.name not in schemas]
    if others:
        links = "\n".join(f"- [{name}](../files/docs/schemas/{name})" for name in others)
        parts.append(f"## Other schemas\n\n{links}")
    return (
        "\n\n".join(
            [
                "# Artifacts",
                "The files of a run, made from `recipeline/artifacts.py`. `Project.load` returns one by its name without the "
                "ending.",
                table(("file", "written by", "format", "content"), rows),
                *parts,
            ]
        )
        + "\n"
    )


def _comments() -> dict[str, str]:
    """Return the ``#:`` comments above the artifacts, as sentences on the content."""
    source = inspect.getsource(artifacts)
    found = re.findall(r"((?:^#: .*\n)+)([A-Z_]+)\b", source, re.MULTILINE)
    return {name: " ".join(line.removeprefix("#: ") for line in text.splitlines()) for text, name in found}


def _first_line(artifact: Artifact[Any]) -> str:
    return (artifacts.type_of(artifact).__doc__ or "").partition("\n")[0] if artifact.type else ""


def _record(artifact: Artifact[Any], schema: str) -> str:
    content = json.loads((ROOT / "docs/schemas" / schema).read_text(encoding="utf-8"))
    required = content.get("required", [])
    rows = [
        (f"`{key}`", cell(_json_type(value)), "" if key in required else "may be absent")
        for key, value in content["properties"].items()
    ]
    link = f"[{schema}](../files/docs/schemas/{schema})"
    return f"## {artifact.name}\n\nThe whole schema: {link}.\n\n{table(('key', 'type', ''), rows)}"


def _json_type(value: Any) -> str:
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_json_type(it) for it in value["anyOf"]))
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "enum" in value or "const" in value:
        return " or ".join(f"`{json.dumps(it)}`" for it in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        inner = value.get("items") or {}
        return f"array of {_json_type(inner)}" if inner else "array"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"object of {_json_type(value['additionalProperties'])}"
    return str(value.get("type", "any"))


def metrics_page() -> str:
    """Return the page of all metrics by task."""
    parts = [
        "# Metrics",
        "Made from the catalogue. Names are those of `primary_metric`, `gates.validation_criteria`, "
        "`promotion.guard_rails.metrics` and `metrics.more`. What those of classes mean, and own metrics: "
        "[classification](../classification.md#metrics), [recipes](../recipe.md#metrics).",
    ]
    for task in METRICS:
        always = [metric.name for metric in METRICS[task]]
        found = [(name, further_metric(task, name)) for name in list_further(task)]
        rows = [
            (
                f"`{name}`",
                metric.label,
                "greater" if metric.greater_is_better else "smaller",
                "always" if name in always else "where `metrics.more` names it",
            )
            for name, metric in found
            if metric
        ]
        parts += [f"## {task}", f"An own metric needs {' or '.join(f'`{it}`' for it in NEEDS[task])}."]
        parts.append(table(("name", "label", "better", "scored"), rows))
    return "\n\n".join(parts) + "\n"
