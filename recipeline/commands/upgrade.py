"""Upgrade: compare a project with the template of the installed library."""

from __future__ import annotations

import difflib

import click

from recipeline.cli.command import FilesEntryPoint, Result, entry_point
from recipeline.cli.output.results import UpgradeFile, UpgradeValues


@entry_point("upgrade", FilesEntryPoint)
@click.option("--apply", "apply_safe", is_flag=True, help="Write the files that you have not changed.")
@click.option("--diff", "show_diff", is_flag=True, help="Show the lines that differ: yours with -, the template's with +.")
def upgrade(apply_safe: bool, show_diff: bool) -> Result:
    """Compare the project in this folder with the installed library's template.

    Install the version to upgrade to in an environment of its own and run it there. Files that you have changed are never
    written.

    \b
    Reads:  the template, the project, and the record of what the template wrote (.recipeline.json)
    Writes: nothing; with --apply the files that are new or unchanged by you, the lock with the library among them
    Example: recipeline upgrade --apply
    """
    from recipeline._version import __version__
    from recipeline.cli.environment import find_project
    from recipeline.scaffolding.library import require_library
    from recipeline.scaffolding.template import apply_differences, compare_project, read_template

    root, template = find_project(), read_template()
    library = require_library()
    files = library.lock(template)
    differences = compare_project(root, files)
    lines = [f"{it.state:<25} {it.path}" for it in differences]
    if show_diff:
        lines += ["", *(line for it in differences for line in _diff(it.path, it.mine, it.theirs))]
    if apply_safe:
        apply_differences(root, differences, files, library=library.origin)
        safe = sum(it.is_safe for it in differences)
        lines += ["", f"Written: {safe} files. Unchanged: {len(differences) - safe}. Next: make pipeline"]
    elif any(it.is_safe for it in differences):
        lines += ["", "recipeline upgrade --apply writes those that you have not changed."]
    words = "\n".join(lines) if differences else f"No difference from the template of {__version__}."
    found = tuple(UpgradeFile(it.path, it.state, it.is_safe, apply_safe and it.is_safe) for it in differences)
    return Result(words, values=UpgradeValues(__version__, found))


def _diff(path: str, mine: bytes | None, theirs: bytes | None) -> list[str]:
    before, after = ((content or b"").decode("utf-8", errors="replace").splitlines() for content in (mine, theirs))
    return list(difflib.unified_diff(before, after, f"yours/{path}", f"template/{path}", lineterm=""))
