"""New: a project from the template of the installed library."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from recipeline.cli.command import FilesEntryPoint, Result, entry_point
from recipeline.cli.options import choose_word
from recipeline.cli.output.results import NewValues
from recipeline.errors import DataError, UsageError


@entry_point("new", FilesEntryPoint)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--data", default="", show_default="the wines", help="A CSV or Parquet file, or a folder of them, to draft a recipe for."
)
@click.option("--target", default="", show_default="none", help="The column of the table to predict.")
@click.option("--na", default="", show_default="none", help="Words that mean a missing value, comma separated.")
@click.option("--task", default="", show_default="by the target's values", help="regression, binary or multiclass.")
@click.option("--encoding", default="", show_default="utf-8, or its mark's", help="The encoding of a CSV, as cp1252.")
@click.option("--separator", default="", show_default="detected", help="The separator of a CSV.")
@click.option("--decimal", default="", show_default=".", help="The mark before the fraction of a number in a CSV: . or ,")
def new(folder: Path, data: str, target: str, na: str, task: str, encoding: str, separator: str, decimal: str) -> Result:
    """Write a project into FOLDER, with a lock that includes the library.

    The project has a recipe, profiles, steps, Makefile, MLproject and tests. Without --data it is the complete example of the
    wines. It is written whole or not at all.

    \b
    Reads:  the template of the installed library; the table
    Writes: the project
    Example: recipeline new "my table" --data cars.csv --target price
    """
    from recipeline.config.tasks import TASK_RULES
    from recipeline.data.origin.uris import redact
    from recipeline.scaffolding.library import require_library
    from recipeline.scaffolding.project_files import for_table, for_wines
    from recipeline.scaffolding.recipe_draft import find_doubt, list_ignored, state_format
    from recipeline.scaffolding.template import read_template, write_project

    if bool(data) != bool(target):
        raise UsageError("--data and --target belong together; one is missing.", fix="Give both or neither.")
    if data and not os.path.isfile(data) and not os.path.isdir(data):  # noqa: PTH112, PTH113 - Path raises of a name too long
        there = "is neither" if os.path.exists(data) else "does not exist"  # noqa: PTH110
        raise DataError(
            "--data must be an existing file or folder.", got=f"'{redact(data)}', which {there},", fix="Correct the path."
        )
    words = tuple(word.strip() for word in na.split(",") if word.strip())
    name = folder.resolve().name
    template = read_template()
    form, known = state_format(encoding, separator, decimal), tuple(TASK_RULES)
    if task:
        choose_word("--task", task, known)
    files = for_table(template, name, Path(data), target, words, format=form, task=task) if data else for_wines(template, name)
    library = require_library()
    files = library.lock(files)
    write_project(folder.resolve(), files, library.lock(template), library=library.origin)
    drafted = files["recipe.yaml"].decode() if data else "columns: {}"
    ignored, doubt = list_ignored(drafted), find_doubt(drafted)
    lines = [
        f"Made {folder}: {len(files)} files, locked to recipeline from {library.origin}.",
        *([f"No feature: {', '.join(ignored)}; recipe.yaml has the reason of each."] if ignored else []),
        *([f"Note: {doubt}."] if doubt else []),
        "",
        "Next:",
        *([f"  cd {shlex.quote(click.format_filename(folder))}"] if folder.resolve() != Path.cwd() else []),
        "  make pipeline   the environment, then the whole chain",
        "  make test       the project's tests",
    ]
    values = NewValues(str(folder.resolve()), tuple(sorted(files)), library.origin)
    return Result("\n".join(lines), values=values)
