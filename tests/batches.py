"""A model of two columns, and files of rows that it is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipeline.data.origin.folders import find_files
from recipeline.data.readers import open_rows, split_name
from recipeline.data.reading.pieces import Table
from recipeline.inference.batch import Job
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Feature
from recipeline.inference.predictor import Asked
from recipeline.inference.tally import Tally

INTERVAL = Interval(0.9, "constant", -1.0, 1.0)
FEATURES = (
    Feature("acid", "g/L", min=0, max=30, train_min=4, train_max=16),
    Feature("alcohol", "% vol", min=0, max=25, train_min=8, train_max=15),
)
PLAIN = b"acid;alcohol\n4;10\n5;11\n"


def asked(**changes: Any) -> Asked:
    return Asked(
        **{"features": FEATURES, "predict": lambda rows: rows @ [1.0, 10.0], "version": "7", "interval": INTERVAL} | changes
    )


def run(source: Path, output: Path, *, reject: bool = False, **changes: Any) -> Tally:
    """Predict a file or a folder."""
    ask = asked(**changes)
    many = source.is_dir()
    tables = [
        Table(open_rows(path, ask.names, path.name), path.name, path.relative_to(source).as_posix() if many else "")
        for path in find_files(source)
    ]
    stem, suffix = split_name(output.name)
    return Job(tables, ask, output, output.with_name(f"{stem}.rejects{suffix}") if reject else None, source.name).run(
        lambda _: None
    )


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path
