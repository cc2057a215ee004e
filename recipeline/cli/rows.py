"""What commands that read rows of any number have in common: where the rows are, and the model that is asked about them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipeline.data.uris import copy_uri, local_path, redact
from recipeline.errors import UnavailableError
from recipeline.orchestration.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recipeline.data.readers import Table
    from recipeline.inference.predictor import Asked
    from recipeline.registry.loading import NamedModel

#: A download is given up on after so many seconds.
DOWNLOAD_SECONDS = 3600.0


@contextmanager
def fetched(session: Session, input: str, parameter: str) -> Iterator[Path]:
    """Give the path of the rows that `parameter` names: as it is, or, of a URI, that of a copy for the block."""
    path = local_path(input, session.cwd)
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        session.reporter.say(f"fetching {redact(input)}")
        try:
            path = copy_uri(input, Path(folder), parameter=parameter, seconds=DOWNLOAD_SECONDS)
        except OSError as error:
            raise UnavailableError(
                f"The folder {folder} must take a copy of the input.",
                got=f"'{error.strerror or error}'",
                fix="Make room, or name another one with the environment variable TMPDIR.",
            ) from None
        yield path


def open_tables(path: Path, names: list[str], input: str) -> list[Table]:
    """Return the tables of a file or a folder, as they are named in errors; `names` are expected in their headers."""
    from recipeline.data.folders import find_files
    from recipeline.data.readers import Table, open_rows

    if not path.is_dir():
        return [Table(open_rows(file, names, redact(input)), redact(input)) for file in find_files(path)]
    return [Table(open_rows(file, names, str(file)), str(file), file.relative_to(path).as_posix()) for file in find_files(path)]


@contextmanager
def asked_model(session: Session, model: NamedModel) -> Iterator[Asked]:
    """Give the model as it is asked, with its threads for as long as the block."""
    from joblib import effective_n_jobs

    from recipeline.inference.model_info import Feature
    from recipeline.inference.predictor import Asked, Predictor

    info = model.info or {"features": [{"name": name} for name in model.features]}
    if model.info is None:
        session.reporter.say("warning: the model has no model_info.json: no ranges are checked, and there is no interval.")
    features = tuple(Feature.from_info(feature) for feature in info["features"])
    threads = effective_n_jobs(session.profile.engine.n_jobs)
    with ExitStack() as stack:

        def ask(fitted: Any, names: Sequence[str]) -> Predictor:
            return stack.enter_context(closing(Predictor(fitted, names, threads=threads)))

        predictor = ask(model.model, model.features)
        yield Asked(features, predictor, model.version, model.load_interval(ask))
