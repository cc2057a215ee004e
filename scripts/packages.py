#!/usr/bin/env python3
"""The packages of the locks: a table of their licences, and a bill of materials.

Usage: scripts/packages.py licences          docs/licences.md, on stdout
       scripts/packages.py sbom [EXTRA...]   the core's lock with these extras, as CycloneDX, on stdout

A licence is what a package's own metadata says, as SPDX writes it. A package that is not
installed may be in a folder of PYTHONPATH.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Licences that a package of a lock may have. All but the last two ask for a notice; these ask for the source of changes to the
#: package itself.
ALLOWED = (
    *(
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    ),
    *("MPL-2.0", "LGPL-3.0-only"),
)

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

#: The first words of licences, for packages whose metadata name none.
_TEXTS = {"Permission is hereby granted, free of charge": "MIT"}

_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)


def locks() -> dict[str, Path]:
    """Return the locks by name: the core's, and one for each extra."""
    extras = {path.stem: path for path in sorted((ROOT / "requirements").glob("*.txt"))}
    return {"core": ROOT / "requirements.txt", **extras}


def locked(lock: Path) -> list[str]:
    """Return the names of the packages of a lock, each of them once."""
    return sorted({name for name, _ in _LINE.findall(lock.read_text(encoding="utf-8"))})


def licence_of(name: str) -> str | None:
    """Return a package's licence as an SPDX expression or in its words; None: absent."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    about = found.metadata
    if about.get("License-Expression"):
        return str(about.get("License-Expression"))
    said = [line.rsplit(" :: ", 1)[-1] for line in about.get_all("Classifier", []) if line.startswith("License :: ")]
    named = {_SPDX.get(one, one) for one in said if one != "OSI Approved"}
    if named:
        return " OR ".join(sorted(named))
    first = str(about.get("License") or "").strip().partition("\n")[0]
    if first:
        return _SPDX.get(first, first)
    for file in found.files or ():
        if re.search("(?i)licen[cs]e|copying", file.name):
            text = " ".join(file.read_text(encoding="utf-8").split())
            for words, licence in _TEXTS.items():
                if words in text:
                    return licence
    return "unknown"


def is_allowed(licence: str) -> bool:
    """Whether an SPDX expression can be met by allowed licences only."""
    words = [word.strip() for word in re.split(r"(\(|\)|\bAND\b|\bOR\b)", licence) if word.strip()]
    signs = {"(": "(", ")": ")", "AND": "and", "OR": "or"}
    return bool(eval(" ".join(signs.get(word, str(word in ALLOWED)) for word in words)))  # of these four and True and False


_HEAD = """# Licences

The project is under the [MIT licence](../LICENSE). Below are those of the packages that it installs, as their metadata state
them (*BSD*: without saying which). `core` is `requirements.txt`, the others are extras. `make licences` writes this page; a
test fails where a package has another licence than those of `scripts/packages.py: ALLOWED`.

- MPL-2.0 (certifi, orjson) and LGPL-3.0 (psycopg) ask for the source of changes to the package itself, all others for a notice.
  psycopg is in the extras `postgres` and `server` only; the images have it unless they are built without.
- An image contains Debian's packages and Python too: their licences are in its `/usr/share/doc`.
"""


def page() -> str:
    """Return docs/licences.md, with all packages that are installed."""
    lines = [_HEAD, "| package | licence | lock |", "| --- | --- | --- |"]
    for name, lock in locks().items():
        for package in locked(lock):
            licence = licence_of(package)
            if licence:
                lines.append(f"| {package} | {licence} | {name} |")
    return "\n".join(lines) + "\n"


def sbom(extras: list[str]) -> str:
    """Return the bill of materials of the core and some extras, as CycloneDX in JSON."""
    known = locks()
    text = "\n".join(known[name].read_text(encoding="utf-8") for name in ["core", *extras])
    tool = Path(sys.executable).parent / "cyclonedx-py"
    words = [
        "requirements",
        "--pyproject",
        str(ROOT / "pyproject.toml"),
        "--mc-type",
        "library",
        "--output-reproducible",
        "--of",
        "JSON",
        "-",
    ]
    done = subprocess.run([tool, *words], input=text, capture_output=True, text=True, check=True)
    content = json.loads(done.stdout)
    component = content["metadata"]["component"]
    component["version"] = runpy.run_path(str(ROOT / "recipeline/_version.py"))["__version__"]
    component["purl"] = f"pkg:pypi/{component['name']}@{component['version']}"
    for one in content["components"]:
        licence = licence_of(one["name"])
        if licence and licence != "unknown":
            one["licenses"] = [{"license": {"name": licence}}]
        one.pop("description", None)  # the line of the lock, once more
    content["dependencies"] = [
        {"ref": component["bom-ref"], "dependsOn": sorted(one["bom-ref"] for one in content["components"])}
    ]
    return json.dumps(content, indent=2) + "\n"


def main() -> None:
    what, *rest = sys.argv[1:] or [""]
    unknown = [name for name in rest if name not in locks()]
    if what not in ("licences", "sbom") or unknown or (what == "licences" and rest):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.stdout.write(page() if what == "licences" else sbom(rest))


if __name__ == "__main__":
    main()
