"""Rows and models of commands: local copies, labelled tables, loaded model."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipeline.cli.output.caller import name_rows
from recipeline.data.origin.paths import local_paths
from recipeline.data.origin.uris import copy_uri, redact
from recipeline.errors import DataError, UnavailableError, missing_rows
from recipeline.orchestration.session import Session

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import numpy as np
    import pandas as pd

    from recipeline.config.recipe import Recipe
    from recipeline.data.origin.folders import RowPath
    from recipeline.data.reading.pieces import Piece, RowFile, Table
    from recipeline.inference.predictor import Asked
    from recipeline.registry.loading import NamedModel

#: A download is given up on after so many seconds.
DOWNLOAD_SECONDS = 3600.0


@contextmanager
def local_rows(session: Session, input: str, parameter: str) -> Iterator[list[Path]]:
    """Yield the local paths of the rows that `parameter` names.

    The rows of a URI are copied for the block.

    Raises
    ------
    DataError : a path does not exist.
    UnavailableError : a URI cannot be fetched.
    """
    paths = local_paths(input, session.cwd, lambda path: missing_rows(path, parameter))
    if paths is not None:
        yield paths
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
        yield [path]


def open_tables(paths: Sequence[Path], names: Sequence[str], input: str, recipe: Recipe) -> list[Table]:
    """Return the tables of files and folders, named as errors name them.

    `names` are the columns that are expected in their headers.
    """
    from recipeline.data.origin.folders import list_files
    from recipeline.data.reading.formats import Format

    return [file.open(names, Format.of(recipe.data)) for file in list_files(paths, name_rows(input))]


@dataclass(frozen=True)
class LabelledFile:
    """A file of training rows and the numbers of labelled and waiting ones.

    `waiting` rows have no label yet and are left out. `digest` is the sha256 of the decompressed content. `is_as_is`: a step
    may read the file itself, since nothing in it is left out.
    """

    table: Table
    rows: int
    waiting: int
    digest: str
    is_as_is: bool
    known: _KnownRows

    def requests(self) -> np.ndarray:
        """Return the keys of the rows' requests; empty where the file does not name them."""
        return self.known.requests()

    def without(self, requests: np.ndarray) -> LabelledFile:
        """Return the file without the rows of some requests, known by their keys."""
        known = self.known.without(requests)
        if known is self.known:
            return self
        rows, waiting, _ = known.count()
        return replace(self, table=replace(self.table, file=known), rows=rows, waiting=waiting, is_as_is=False, known=known)


def check_labelled(files: Sequence[LabelledFile], recipe: Recipe, origin: str) -> pd.DataFrame:
    """Return the labelled rows of all files, with the recipe's columns.

    Raises
    ------
    DataError : a row breaks the recipe's rules.
    """
    from recipeline.data.checking.schema import validate_table

    return validate_table([file.table for file in files], recipe, origin=origin, is_all=False)


def refuse_log(paths: Sequence[Path], input: str) -> None:
    """Refuse the service's log as training rows.

    Raises
    ------
    DataError : a path is a log, which has no labels.
    """
    from recipeline.monitoring.live.log_files import find_log, is_log

    if any(is_log(path) or (path.is_dir() and find_log(path)) for path in paths):
        raise DataError(
            "Rows to train on must be a table with the target.",
            got=f"the log '{name_rows(input)}'",
            fix="Name its labels too: data=LOG labels=TABLE.",
        )


def find_labelled(files: Sequence[RowPath], recipe: Recipe, input: str) -> list[LabelledFile]:
    """Return the files with labelled rows, each content once, as by `monitor`.

    An empty label is not yet known. Columns that `predict` and the service add are ignored.

    Raises
    ------
    DataError : one is no table, or no label is known.
    """
    from recipeline.data.readers import content_digest

    found: dict[str, LabelledFile] = {}
    for file in files:
        table = _open_learnable(file, recipe)
        digest = content_digest(file.path, file.label)
        if digest not in found:
            known = _KnownRows(table.file, recipe)
            rows, waiting, ragged = known.count()
            is_as_is = not (waiting or ragged) and set(known.columns) == {*table.file.columns} - table.file.index == {
                *recipe.with_columns(known.columns).columns
            }
            found[digest] = LabelledFile(replace(table, file=known), rows, waiting, digest, is_as_is, known)
    if not any(file.rows for file in found.values()):
        raise DataError(
            f"No row of {name_rows(input)} has a value of the target '{recipe.target}'.",
            fix="Retrain when labels are known.",
        )
    return list(found.values())


def list_requests(files: Sequence[LabelledFile]) -> pd.DataFrame:
    """Return the keys of the requests of files' rows as the column `request`."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame({"request": np.concatenate([np.zeros(0, dtype=np.uint64), *(file.requests() for file in files)])})


def _open_learnable(file: RowPath, recipe: Recipe) -> Table:
    """Return a file as a table.

    Raises
    ------
    DataError : it holds labels of requests without their rows.
    """
    from recipeline.data.reading.formats import Format
    from recipeline.monitoring.live.labels import REQUEST_ID

    format = Format.of(recipe.data)
    try:
        table = file.open(recipe.header, format)
    except DataError as error:
        try:
            table = file.open([REQUEST_ID, recipe.target], format)
        except DataError:
            raise error from None
    if REQUEST_ID in table.file.columns and not set(table.file.columns) & set(recipe.features):
        raise DataError(
            f"{table.label} must have the columns of the recipe.",
            got="labels by request, without their rows",
            fix="Name them as labels of the service's log: labels=TABLE.",
        )
    return table


class _KnownRows:
    """The labelled rows of a file, without its index and added columns."""

    def __init__(self, file: RowFile, recipe: Recipe, left_out: np.ndarray | None = None) -> None:
        """Read `file`, without the rows whose requests have the keys `left_out`."""
        import pyarrow as pa

        from recipeline.monitoring.live.labels import REQUEST_ID
        from recipeline.monitoring.live.live_rows import is_added

        self._file, self._recipe, self._left_out = file, recipe, left_out
        self._names_requests = REQUEST_ID in file.columns
        unread = {name for name in file.columns if is_added(name) and name not in recipe.columns} | file.index
        self._places = [place for place, name in enumerate(file.columns) if name not in unread]
        self.columns = [file.columns[place] for place in self._places]
        self.index = frozenset[str]()
        schema = file.layout.schema
        self.layout = replace(file.layout, schema=pa.schema([schema.field(place) for place in self._places]))

    def without(self, requests: np.ndarray) -> _KnownRows:
        """Return the rows without those of some requests; itself where none is named."""
        return _KnownRows(self._file, self._recipe, requests) if self._names_requests and len(requests) else self

    def requests(self) -> np.ndarray:
        """Return the keys of the requests of all labelled rows."""
        import numpy as np

        if not self._names_requests:
            return np.zeros(0, dtype=np.uint64)
        keys = [self._keys(piece)[self._is_known(piece)] for piece in self._pieces()]
        found: np.ndarray = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *keys]))
        return found[found > 0]

    def count(self) -> tuple[int, int, int]:
        """Return how many rows have a label or none, and how many lines are none."""
        known = waiting = ragged = 0
        for piece in self._pieces():
            is_known = self._is_known(piece)
            known += int(is_known.sum())
            waiting += int((~is_known).sum())
            ragged += len(piece.ragged)
        return known, waiting, ragged

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield the labelled rows piece by piece."""
        import pyarrow as pa

        for piece in self._pieces():
            is_known = self._is_known(piece)
            rows = piece.rows.select(self._places)
            yield (
                piece
                if is_known.all() and rows.num_columns == piece.rows.num_columns
                else replace(piece, rows=rows.filter(pa.array(is_known)), numbers=piece.numbers[is_known])
            )

    def _pieces(self) -> Iterator[Piece]:
        """Yield the rows of the file, without those that are left out."""
        import numpy as np
        import pyarrow as pa

        for piece in self._file.pieces():
            if self._left_out is not None:
                kept = ~np.isin(self._keys(piece), self._left_out)
                piece = replace(piece, rows=piece.rows.filter(pa.array(kept)), numbers=piece.numbers[kept])
            yield piece

    def _keys(self, piece: Piece) -> np.ndarray:
        from recipeline.monitoring.live.labels import REQUEST_ID, ROW, request_keys

        names = self._file.columns
        rows = piece.rows.column(names.index(ROW)) if ROW in names else None
        return request_keys(piece.rows.column(names.index(REQUEST_ID)), rows)

    def _is_known(self, piece: Piece) -> np.ndarray:
        import numpy as np

        from recipeline.data.kinds.every import KINDS

        recipe, names = self._recipe, self._file.columns
        if recipe.target not in names:
            return np.ones(piece.rows.num_rows, dtype=bool)
        column, rules = piece.rows.column(names.index(recipe.target)), recipe.columns[recipe.target]
        kind = KINDS[rules.type]
        if not kind.accepts(column.type):
            raise DataError(
                f"The column '{recipe.target}' must hold {kind.noun}.", got=f"the type {column.type}", fix="Convert it."
            )
        known: np.ndarray = ~kind.read(column, recipe.na, rules).missing
        return known


@contextmanager
def open_model(session: Session, model: NamedModel) -> Iterator[Asked]:
    """Yield the loaded model, with its number of threads set for the block."""
    from joblib import effective_n_jobs

    if model.info is None:
        session.reporter.say("warning: the model has no model_info.json: no ranges are checked, and there is no interval.")
    with opened_model(model, effective_n_jobs(session.profile.engine.n_jobs)) as asked:
        yield asked


@contextmanager
def opened_model(model: NamedModel, threads: int) -> Iterator[Asked]:
    """Yield the loaded model as a function of rows, on so many threads."""
    from recipeline.data.target_codes import NUMBERS, TargetCodes
    from recipeline.inference.columns import Columns
    from recipeline.inference.predictor import Asked, Predictor, TailsPredictor

    columns = Columns.of(model.info) if model.info else Columns.of_numbers(model.features)
    with ExitStack() as stack:

        def ask(fitted: Any, asked: Columns, codes: TargetCodes = NUMBERS) -> Predictor:
            return stack.enter_context(closing(Predictor(fitted, asked, codes, threads=threads)))

        def ask_tails(low: Any, high: Any, asked: Columns) -> TailsPredictor:
            return TailsPredictor(ask(low, asked), ask(high, asked))

        predict, conditions = ask(model.model, columns, model.target.codes), model.info.filter if model.info else ()
        yield Asked(columns.features, predict, model.version, model.load_interval(ask_tails), model.target, conditions)
