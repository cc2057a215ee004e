"""Build the docs site: `python -m website.build [--output FOLDER] [--external]`.

Every warning of Sphinx is an error: a link to a page, a heading or a name of the API that does not exist, and a page that no
other one leads to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from website.reference import generate
from website.staging import ROOT, stage


def build(folder: Path) -> tuple[Path, dict[str, list[str]]]:
    """Build the site below `folder`; return its pages' folder and the addresses named.

    Raises
    ------
    SystemExit : Sphinx has a warning or an error, which is on stderr.
    """
    from sphinx.cmd.build import build_main

    staged = stage(folder / "source", generate())
    words = ["-b", "html", "-q", "-W", "--keep-going", "-d", str(folder / "doctrees"), "-c", str(ROOT / "website")]
    code = build_main([*words, str(staged.folder), str(folder / "html")])
    if code:
        sys.exit(code)
    return folder / "html", staged.external


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "build/docs", help="The folder to build in.")
@click.option("--external", is_flag=True, help="List the addresses outside of the site that its pages name.")
def main(output: Path, external: bool) -> None:
    """Build the docs site."""
    pages, addresses = build(output.resolve())
    if external:
        for address, names in sorted(addresses.items()):
            click.echo(f"{address}  {', '.join(dict.fromkeys(names))}")
    click.echo(f"Open {pages / 'index.html'}")


if __name__ == "__main__":
    main()
