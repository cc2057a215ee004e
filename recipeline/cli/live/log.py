"""The service's log and late labels, as commands name them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipeline.artifacts import COLUMN_PROFILE, MODEL_INFO
from recipeline.cli.output.caller import name_rows
from recipeline.cli.rows import local_rows, open_tables
from recipeline.data.origin.uris import redact, scrub
from recipeline.errors import DataError, UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHAMPION
from recipeline.tracking.lineage import run_of_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from recipeline.config.profile import PredictionLog as PredictionLogSettings
    from recipeline.config.recipe import Recipe
    from recipeline.inference.model_info import Feature, ModelInfo
    from recipeline.monitoring.live.labels import Labels
    from recipeline.monitoring.live.live_rows import LiveTables
    from recipeline.monitoring.live.log_files import LogFile
    from recipeline.monitoring.live.prediction_log import PredictionLog


#: The end of a sentence on what to do, of commands that have the option data.
_OR_DATA = ", or name rows with data=."


def _log_settings(session: Session, *, instead: bool) -> PredictionLogSettings:
    """Return the settings of the service's log.

    Raises
    ------
    UsageError : the profile's service keeps none.
    """
    wanted = session.profile.service.prediction_log
    if wanted is None:
        if not instead:
            raise UsageError(
                "No log of requests: the profile's service keeps none.",
                fix="Set service.prediction_log in the profile, and serve with it.",
            )
        raise UsageError(
            "No rows to monitor: data is empty, and the profile's service keeps no log.",
            fix="Name a table with data=, or set service.prediction_log in the profile.",
        )
    return wanted


@dataclass(frozen=True)
class OwnLog:
    """The files of the service's own log; lines from before `since` do not count."""

    files: Sequence[LogFile]
    place: str
    since: float = 0.0


def find_own_log(session: Session, now: float, since: float = 0.0, *, instead: bool = True) -> OwnLog:
    """Return the profile's own log, with the part of its archive from a time on.

    The archive's lines of the last `keep_days` are considered, or those since `since` where that is later. `instead` is whether
    the command takes other rows with its option data.

    Raises
    ------
    UsageError : the profile's service keeps none.
    UnavailableError : there are no files, or the archive does not answer.
    """
    from recipeline.data.origin.filesystems import open_filesystem, resolve_place
    from recipeline.monitoring.live.log_files import Archive, find_files

    wanted = _log_settings(session, instead=instead)
    folder, archive = session.root / wanted.folder, None
    place = str(folder)
    if wanted.archive:
        since = max(since, now - wanted.keep_days * 24 * 3600)
        archive, place = resolve_place(wanted.archive, session.root), f"{folder} and {redact(wanted.archive)}"
    with _archive_errors(wanted.archive or "", instead=instead):
        files = find_files(folder, Archive(*open_filesystem(archive)) if archive else None, since, now)
    if not files:
        raise no_requests(place, instead=instead)
    return OwnLog(files, place, since if archive else 0.0)


@contextmanager
def _archive_errors(archive: str, *, instead: bool) -> Iterator[None]:
    """Raise UnavailableError where the archive does not answer in the block."""
    try:
        yield
    except OSError as error:
        if not archive:
            raise
        raise UnavailableError(
            f"The archive of the service's log cannot be read: {redact(archive)} "
            f"({' '.join(scrub(str(error), archive).split())[:200]}).",
            fix=f"Check the address, the credentials in the environment and the network{_OR_DATA if instead else '.'}",
        ) from None


def no_requests(log: str, *, instead: bool = True) -> UnavailableError:
    """Return the error for a log without rows."""
    return UnavailableError(
        f"No rows in the service's log {log}: the service has received no requests.",
        fix=f"Serve with this profile{_OR_DATA if instead else '.'}",
    )


def find_logs(paths: Sequence[Path]) -> list[Path]:
    """Return the files of the service's log that paths stand for."""
    from recipeline.monitoring.live.log_files import find_log, is_log

    return [file for path in paths for file in ([path] if is_log(path) else find_log(path) if path.is_dir() else [])]


def rule_of_target(recipe: Recipe, info: ModelInfo) -> Feature:
    """Return the target as its labels are checked; classes have the model's type."""
    from recipeline.inference.model_info import Feature

    column, known = recipe.columns[recipe.target], info.target
    type_ = known.type if known.codes.labels else column.type
    return Feature(recipe.target, column.unit, type_, decimal=column.decimal, min=column.min, max=column.max)


def read_late_labels(session: Session, labels: str, info: ModelInfo) -> Labels | None:
    """Return the labels that `labels` names; None where it is empty."""
    from recipeline.monitoring.live.labels import REQUEST_ID, read_labels

    if not labels:
        return None
    recipe = session.recipe
    with local_rows(session, labels, "labels") as paths:
        tables = open_tables(paths, [REQUEST_ID], labels, recipe)
        return read_labels(tables, recipe.target, recipe.na, rule_of_target(recipe, info), info.target.codes)


def open_log(
    session: Session,
    files: Sequence[Path | LogFile],
    info: ModelInfo,
    version: str,
    labels: Labels | None,
    now: float,
    since: float = 0.0,
) -> PredictionLog:
    """Return the service's log, read for the version that `info` describes."""
    from recipeline.monitoring.live.prediction_log import PredictionLog

    recipe = session.recipe
    others = recipe.not_features
    return PredictionLog(
        files,
        info.features,
        version,
        labels,
        info.target.codes,
        now=now,
        others=others,
        needed=[name for name in others if not recipe.columns[name].nullable],
        filter=info.filter,
        decimal=recipe.data.decimal,
        since=since,
    )


def require_logged(recipe: Recipe) -> None:
    """Raise UsageError where rows of a log lack a column that retraining needs."""
    private = [name for name in recipe.not_features if recipe.columns[name].role == "sensitive"]
    if lacking := [name for name in private if not recipe.columns[name].nullable]:
        raise UsageError(
            f"Retraining needs the columns {', '.join(lacking)}, and no log has them: they are sensitive.",
            fix="Set nullable: true for them in the recipe, or name a table with data=.",
        )


def take_labelled(session: Session, rows: PredictionLog | LiveTables, target: str) -> pd.DataFrame:
    """Return the rows whose target is known; say how many of them cannot be used.

    Raises
    ------
    DataError : there is none.
    """
    found = rows.labelled(target)
    needed, lacking = ", ".join(getattr(rows, "needed", ())), getattr(rows, "lacking", 0)
    if found.empty and lacking:
        raise DataError(
            f"No labelled row of the service's log has the columns that retraining needs: {needed}.",
            fix="Send them with the rows to predict, beside the features; the log keeps them.",
        )
    if lacking:
        session.reporter.say(
            f"warning: {lacking} labelled rows without all of {needed} are left out. Send these columns with the rows to "
            "predict: the log keeps them."
        )
    if unnamed := getattr(rows, "unnamed", 0):
        session.reporter.say(
            f"warning: {unnamed} labelled rows of categories that the model does not know are left out, because the log "
            "does not name them. Retrain on a table of them to learn these categories."
        )
    if found.empty:
        raise DataError("No labelled rows to retrain on.", fix="Name a table of request_id and the target with labels=.")
    return found


def labelled_log(session: Session, data: str, labels: str) -> pd.DataFrame:
    """Return the labelled rows of the service's log.

    `data` names the log; empty: the profile's.

    Raises
    ------
    UnavailableError : no version is in Production, the chain did not register it, or the log has no rows.
    DataError : `data` is no log, or none of its rows has a label.
    """
    champion = session.registry.holder(CHAMPION)
    if champion is None:
        raise UnavailableError(
            f"No version of {session.registry.name} in Production whose log could be read.", fix="Run `make pipeline`."
        )
    session.find_columns({COLUMN_PROFILE.step: run_of_version(champion, COLUMN_PROFILE.step)})
    require_logged(session.recipe)
    info = session.reader.load(MODEL_INFO, run_of_version(champion, MODEL_INFO.step))
    now, version = time.time(), str(champion.version)
    known = read_late_labels(session, labels, info)
    if not data:
        own = find_own_log(session, now)
        log = open_log(session, own.files, info, version, known, now, own.since)
        return take_labelled(session, log, session.recipe.target)
    with local_rows(session, data, "data") as paths:
        files = find_logs(paths)
        if not files:
            raise DataError(
                "labels apply to the rows of the service's log.",
                got=f"'{name_rows(data)}'",
                fix="Name a log with data=, or add the labels to the table as a column of the target.",
            )
        return take_labelled(session, open_log(session, files, info, version, known, now), session.recipe.target)
