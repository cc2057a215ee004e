"""The source of the docs site: the repository's Markdown with links that hold.

Pages are written to be read on a forge, as files. Here they become a folder for Sphinx: links to other pages lead to them,
links to other files to copies of these, and the lists of docs/index.md are the site's navigation.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]

#: The pages of the repository's own folder have their name in small letters in the site, but for this one.
README, OVERVIEW = "README.md", "overview.md"

#: Folders that pages link to, and the page that lists their files.
FOLDERS = {"docs/decisions": "decisions/index.md", "docs/schemas": "reference/artifacts.md"}

#: The heading of docs/index.md under which a page is listed that it does not name, by the page's folder in docs/.
UNLISTED = {"": "How-to guides", "how-to": "How-to guides", "explanation": "Explanation"}

#: The heading under which pages made from the code are listed.
GENERATED = "Reference"

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s]+)(\))")
_CODE = re.compile(r"(`+)(?:(?!\1).)*\1")


class BrokenLink(Exception):
    """A link of a page to a file that does not exist."""


@dataclass
class Stage:
    """The folder that Sphinx reads, and the outside addresses that its pages name."""

    folder: Path
    root: Path = ROOT
    external: dict[str, list[str]] = field(default_factory=dict)
    _written: set[Path] = field(default_factory=set)

    def write(self, name: str, text: str) -> None:
        """Write a page, unless the file has this text: Sphinx then reads it once."""
        self._put(name, text.encode())

    def _put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        self._written.add(path)
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def copy(self, path: Path) -> str:
        """Copy a file of the repository that is no page; return its name in the source."""
        name = f"files/{path.relative_to(self.root).as_posix()}"
        name += ".txt" if path.suffix == ".md" else ""  # it is no page, and Sphinx would read it as one
        self._put(name, path.read_bytes())
        return name

    def folder_page(self, path: Path) -> str:
        """Write a page that lists the files of a repository's folder; return its place.

        They are those that git tracks: what commands left there may hold secrets.

        Raises
        ------
        BrokenLink : git tracks no file in it.
        """
        name = path.relative_to(self.root).as_posix()
        command = ["git", "ls-files", "-z", "--", name]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        tracked = [it for it in done.stdout.split("\0") if (self.root / it).is_file()]
        if not tracked:
            raise BrokenLink(f"The folder {name} has no files that git tracks.")
        links = "\n".join(f"- [{it.removeprefix(name + '/')}]({self._below(it, name)})" for it in tracked)
        place = f"files/{name}/index.md"
        self.write(place, f"---\norphan: true\n---\n\n# {name}\n\n{links}\n")
        return place

    def _below(self, file: str, folder: str) -> str:
        return os.path.relpath(self.copy(self.root / file), f"files/{folder}")

    def forget_others(self) -> None:
        """Delete files of an earlier build that this one did not write."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_file() and path not in self._written:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()

    def page(self, source: str) -> str:
        """Return the text of a page of the repository, with links that hold in the site.

        Raises
        ------
        BrokenLink : a link leads to no file.
        """
        text = (self.root / source).read_text(encoding="utf-8")
        return map_prose(text, lambda prose: _LINK.sub(lambda found: self._link(found, source), prose))

    def _link(self, found: re.Match[str], source: str) -> str:
        opening, target, closing = found.groups()
        if re.match(r"[a-z]+:", target):
            self.external.setdefault(target, []).append(source)
            return found[0]
        if target.startswith("#"):
            return found[0]
        path, _, anchor = target.partition("#")
        there = (self.root / source).parent / path
        if not there.exists():
            raise BrokenLink(f"{source} links to {target}, which does not exist.")
        name = there.resolve().relative_to(self.root).as_posix()
        place = place_of(name) or FOLDERS.get(name) or (self.folder_page if there.is_dir() else self.copy)(there.resolve())
        relative = os.path.relpath(place, PurePosixPath(place_of(source) or source).parent)
        return f"{opening}{relative}{'#' + anchor if anchor else ''}{closing}"


def place_of(name: str) -> str | None:
    """Return the place in the site of a file of the repository; None: it is no page."""
    if not name.endswith(".md"):
        return None
    if "/" not in name:
        return OVERVIEW if name == README else name.lower()
    return name.removeprefix("docs/") if name.startswith("docs/") else None


def map_prose(text: str, change: Callable[[str], str]) -> str:
    """Return Markdown with `change` applied to all of it but code."""
    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence or mark:
            lines.append(line)
            fence = "" if fence and mark and mark[1].startswith(fence) else fence or (mark[1] if mark else "")
        else:
            lines.append("".join(_outside_code(line, change)))
    return "".join(lines)


def _outside_code(line: str, change: Callable[[str], str]) -> Iterator[str]:
    """Yield a line with `change` applied to its links, but not inside of code.

    The text of a link may be code.
    """
    hidden: list[str] = []

    def hide(found: re.Match[str]) -> str:
        hidden.append(found[0])
        return f"\0{len(hidden) - 1}\0"

    yield re.sub("\0(\\d+)\0", lambda found: hidden[int(found[1])], change(_CODE.sub(hide, line)))


def pages(root: Path = ROOT) -> list[str]:
    """Return the pages of the repository that the site has."""
    found = [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]
    return [path.relative_to(root).as_posix() for path in found]


def title_of(text: str) -> str:
    """Return the first heading of a page."""
    return next((line.removeprefix("# ").strip() for line in text.splitlines() if line.startswith("# ")), "Untitled")


def make_index(
    text: str, titles: Mapping[str, str], generated: Mapping[str, str], outside: Collection[str] = (OVERVIEW,)
) -> str:
    """Return the site's first page, each of its lists as navigation too.

    Parameters
    ----------
    text : docs/index.md, with links that hold in the site.
    titles : the titles of all pages that the site has, by their place.
    generated : the titles of pages made from the code, by their place.
    outside : the places of pages that are not in docs/.
    """
    opening, *sections = re.split(r"(?m)^(?=## )", text)
    named = set(re.findall(r"\]\(([^)#]+\.md)", text)) | {"index.md", "decisions/index.md"}
    made, seen = [opening], set[str]()
    for section in sections:
        heading = section.partition("\n")[0].removeprefix("## ").strip()
        others = [it for it in titles if it not in named and _heading_for(it, outside) == heading]
        others += list(generated) if heading == GENERATED else []
        known = {**titles, **generated}
        section = section.rstrip("\n") + "\n" + "".join(f"- [{known[it]}]({it})\n" for it in others)
        listed = {it: words for words, it in re.findall(r"(?m)^- \[([^\]]+)\]\(([^)#:]+)\)", section)}
        inside = {it: words for it, words in listed.items() if it not in seen and it in known}
        seen |= set(inside)
        entries = "\n".join(f"{words} <{it.rpartition('.')[0]}>" for it, words in inside.items())
        made.append(f"{section}\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n\n" if inside else section)
    return "".join(made)


def _heading_for(place: str, outside: Collection[str]) -> str:
    """Return the heading of docs/index.md for a page that it does not name."""
    return "Project" if place in outside else UNLISTED.get(place.rpartition("/")[0], "")


def make_list(title: str, introduction: str, entries: Mapping[str, str]) -> str:
    """Return a page that lists others, by place relative to it, with their titles."""
    rows = "\n".join(f"- [{text}]({place})" for place, text in entries.items())
    tree = "\n".join(place.removesuffix(".md") for place in entries)
    return f"# {title}\n\n{introduction}\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"


def stage(folder: Path, generated: Mapping[str, str], root: Path = ROOT) -> Stage:
    """Write the source of the site into `folder`; return it with outside addresses.

    Parameters
    ----------
    folder : is made where it does not exist; files of an earlier build that are not needed are deleted.
    generated : the text of pages made from the code, by their place.

    Raises
    ------
    BrokenLink : a page links to a file that does not exist.
    """
    made = Stage(folder, root.resolve())
    texts = {str(place_of(name)): made.page(name) for name in pages(root)}
    titles = {place: title_of(text) for place, text in texts.items()}
    outside = {str(place_of(path.name)) for path in root.glob("*.md")}
    decisions = {place.removeprefix("decisions/"): titles[place] for place in sorted(titles) if place.startswith("decisions/")}
    texts["decisions/index.md"] = make_list("Decisions", "Choices that were questioned, each with its reasons.", decisions)
    headings = {place: _heading(text) for place, text in generated.items()}
    texts["index.md"] = make_index(texts["index.md"], titles | {"decisions/index.md": "Decisions"}, headings, outside)
    for place, text in {**texts, **generated}.items():
        made.write(place, text)
    for schema in sorted((root / "docs/schemas").glob("*.json")):
        made.copy(schema.resolve())
    made.forget_others()
    return made


def _heading(text: str) -> str:
    """Return the heading of a page in Markdown or, underlined, in reStructuredText."""
    found = title_of(text)
    return text.partition("\n")[0] if found == "Untitled" else found
