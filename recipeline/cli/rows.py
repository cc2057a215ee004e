"""Rows and models of commands: local copies, labelled tables, loaded model."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipeline.data.uris import copy_uri, local_path, redact
from recipeline.errors import DataError, UnavailableError
from recipeline.orchestration.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from recipeline.config.recipe import Recipe
    from recipeline.data.readers import Table
    from recipeline.inference.predictor import Asked
    from recipeline.registry.loading import NamedModel

#: A download is given up on after so many seconds.
DOWNLOAD_SECONDS = 3600.0


@contextmanager
def local_rows(session: Session, input: str, parameter: str) -> Iterator[Path]:
    """Yield the local path of the rows that `parameter` names.

    The rows of a URI are copied for the block.

    Raises
    ------
    DataError : the path cannot be read, for example because its name is too long.
    UnavailableError : a URI cannot be fetched.
    """
    path = local_path(input, session.cwd)
    if path is not None:
        try:
            path.exists()
        except OSError as error:
            raise DataError(
                f"{parameter} must be an existing file or folder, or a URI.",
                got=f"'{path}' ({error.strerror})",
                fix="Correct the path, or give the absolute path.",
            ) from None
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        session.reporter.say(f"fetching {redact(input)}")
        try:
            path = copy_uri(input, Path(folder), parameter=parameter, seconds=DOWNLOAD_SECONDS)
        except OSError as error:
            raise UnavailableError(
                f"The input cannot be copied to the folder {folder}: {error.strerror or error}.",
                fix="Free disk space, or set the environment variable TMPDIR to another folder.",
            ) from None
        yield path


def open_tables(path: Path, names: list[str], input: str) -> list[Table]:
    """Return the tables of a file or a folder, named as errors name them.

    `names` are the columns that are expected in their headers.
    """
    from recipeline.data.folders import find_files
    from recipeline.data.readers import Table, open_rows

    if not path.is_dir():
        return [Table(open_rows(file, names, redact(input)), redact(input)) for file in find_files(path)]
    return [Table(open_rows(file, names, str(file)), str(file), file.relative_to(path).as_posix()) for file in find_files(path)]


@dataclass(frozen=True)
class LabelledFile:
    """The rows of one file whose label is known, fields as text.

    `waiting` is the number of rows without a label, `digest` the sha256 of the decompressed content, `label` its name in
    errors.
    `is_as_is`: a step may read the file itself, since it is not compressed and no row is left out.
    """

    rows: pd.DataFrame
    waiting: int
    digest: str
    is_as_is: bool
    label: str

    def checked(self, recipe: Recipe) -> pd.DataFrame:
        """Return the rows with the recipe's columns, in the recipe's order.

        Raises
        ------
        DataError : a row breaks the recipe's rules.
        """
        from recipeline.data.schema import validate_table

        origin = f"{self.label}, its {self.waiting} rows without a label left out," if self.waiting else self.label
        return validate_table(self.rows, recipe, origin=origin, is_all=False)


def read_labelled(session: Session, path: Path, input: str) -> list[LabelledFile]:
    """Return the labelled rows of a table, or of all tables in a folder.

    Files of equal content are read once, as by `monitor`. An empty label is not yet known. Columns that `predict` and the
    service add are ignored.

    Raises
    ------
    DataError : it is no table, or no label is known.
    """
    from recipeline.data.folders import find_files
    from recipeline.data.readers import compression_of, content_digest
    from recipeline.monitoring.live_rows import find_log, is_log

    recipe = session.recipe
    if is_log(path) or (path.is_dir() and find_log(path)):
        raise DataError(
            "Rows to train on must be a table with the target.",
            got=f"the log '{redact(input)}'",
            fix="Let `monitor` join its labels and retrain after drift: data=LOG labels=TABLE on_drift=retrain.",
        )
    found: dict[str, LabelledFile] = {}
    for file, table in zip(find_files(path), _open_learnable(path, recipe, input), strict=True):
        digest = content_digest(file, table.label)
        if digest in found:
            continue
        rows, waiting = _known_rows(table, recipe)
        is_as_is = not (path.is_dir() or compression_of(file) or waiting or set(table.file.columns) != set(recipe.columns))
        found[digest] = LabelledFile(rows, waiting, digest, is_as_is, table.label)
    if not any(len(file.rows) for file in found.values()):
        raise DataError(
            f"No row of {redact(input)} has a value of the target '{recipe.target}'.",
            fix="Retrain when labels are known.",
        )
    return list(found.values())


def _open_learnable(path: Path, recipe: Recipe, input: str) -> list[Table]:
    """Return the tables of a file or a folder.

    Raises
    ------
    DataError : one holds labels of requests without their rows.
    """
    from recipeline.monitoring.labels import REQUEST_ID

    try:
        tables = open_tables(path, list(recipe.columns), input)
    except DataError as error:
        try:
            tables = open_tables(path, [REQUEST_ID, recipe.target], input)
        except DataError:
            raise error from None
    for table in tables:
        if REQUEST_ID in table.file.columns and not set(table.file.columns) & set(recipe.features):
            raise DataError(
                f"{table.label} must have the columns of the recipe.",
                got="labels by request, without their rows",
                fix="Let `monitor` join them to the service's log and retrain after drift: labels=TABLE on_drift=retrain.",
            )
    return tables


def _known_rows(table: Table, recipe: Recipe) -> tuple[pd.DataFrame, int]:
    """Return the labelled rows of a table, and the number of the others."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from recipeline.data.numbers import read_numbers
    from recipeline.monitoring.live_rows import OTHERS

    columns = table.file.columns
    kept = [name for name in columns if name not in OTHERS or name in recipe.columns]
    frames, waiting = list[pd.DataFrame](), 0
    for piece in table.file.pieces():
        if piece.ragged:
            raise DataError(
                f"{table.label} must have as many fields on each line as in the header, {len(columns)}.",
                got=f"{piece.ragged[0].found} in row {piece.ragged[0].number}",
                fix="Correct or remove that line.",
            )
        rows = dict(zip(columns, piece.rows.columns, strict=True))
        unknown = np.zeros(piece.rows.num_rows, dtype=bool)
        if recipe.target in rows:
            unknown = read_numbers(rows[recipe.target], recipe.target, recipe.na)[1]
        known = pa.table({name: rows[name] for name in kept}).filter(pa.array(~unknown))
        frames.append(known.to_pandas(types_mapper=pd.ArrowDtype))
        waiting += int(unknown.sum())
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=kept), waiting


@contextmanager
def open_model(session: Session, model: NamedModel) -> Iterator[Asked]:
    """Yield the loaded model, with its number of threads set for the block."""
    from joblib import effective_n_jobs

    from recipeline.inference.columns import Columns
    from recipeline.inference.predictor import Asked, Predictor

    columns = Columns.of(model.info) if model.info else Columns.of_numbers(model.features)
    if model.info is None:
        session.reporter.say("warning: the model has no model_info.json: no ranges are checked, and there is no interval.")
    threads = effective_n_jobs(session.profile.engine.n_jobs)
    with ExitStack() as stack:

        def ask(fitted: Any, asked: Columns) -> Predictor:
            return stack.enter_context(closing(Predictor(fitted, asked, threads=threads)))

        yield Asked(columns.features, ask(model.model, columns), model.version, model.load_interval(ask))
