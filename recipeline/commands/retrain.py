"""Retrain: run the chain on new rows, added to the champion's or alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from recipeline.artifacts import ADDED_REQUESTS, DATASET, MODEL_INFO, ORDER, TRAINING_DATA
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.live.log import labelled_log
from recipeline.cli.options import check_path, check_rows, choose_word, model_option, promote_option, session_options
from recipeline.cli.output.caller import name_rows
from recipeline.cli.output.results import RetrainValues
from recipeline.cli.pipeline import name_params, run_pipeline
from recipeline.cli.rows import DOWNLOAD_SECONDS, LabelledFile, check_labelled, find_labelled, list_requests, refuse_log
from recipeline.config.table import SYNTHETIC
from recipeline.data.origin.paths import local_paths
from recipeline.data.origin.sources import is_named
from recipeline.data.origin.uris import redact
from recipeline.errors import DataError, UsageError, missing_rows
from recipeline.escape import is_remote
from recipeline.orchestration.added_rows import find_contents, find_requests
from recipeline.orchestration.chain import check_steps
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHAMPION
from recipeline.tracking.datasets import tag_digests
from recipeline.tracking.lineage import run_of_version
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import RunTags, VersionTags, run_id_tag

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

    from recipeline.cli.output.results import ChainValues
    from recipeline.config.recipe import Recipe
    from recipeline.data.target_codes import TargetCodes

APPEND, REPLACE = "append", "replace"

#: So many new labels are named.
_LISTED = 8


@entry_point("retrain")
@session_options
@click.option(
    "--data",
    callback=check_path,
    default="",
    show_default="the profile's",
    help="New rows, with the target: files, folders, patterns, a URI.",
)
@click.option(
    "--mode",
    default="",
    metavar=f"{APPEND}|{REPLACE}",
    show_default="append; of the profile's own rows: replace",
    help="append: add to the training rows of the model in Production; replace: use these rows alone.",
)
@model_option
@promote_option
@click.option(
    "--labels",
    callback=check_rows,
    default="",
    show_default="none",
    help="Late labels of the service's log: a table of request_id, row and the target.",
)
def retrain(recipe: str, profile: str, data: str, mode: str, model: str, promote: str, labels: str) -> Result:
    """Run the chain on new rows, with the same gates as main.

    \b
    Reads:  the new rows, the rows of the model in Production; with labels, the service's log
    Writes: training_data.parquet, added_requests.parquet; the chain's runs, nested in its own
    Rows that were added before are not added twice: a file is known by the digest of its content, a row of the
    service's log by its request.
    Example: recipeline retrain --data new_wines.csv
    """
    session = open_session(recipe, profile, makes=not labels, will_fit=True, data=data)
    # The profile's own rows hold those that were there before.
    chosen = choose_word("mode", mode, (APPEND, REPLACE), default=APPEND if data or labels else REPLACE)
    with written(labelled_log(session, data, labels)) if labels else nullcontext(data) as rows:
        retrained = retrain_on(session, rows, chosen, model=model, promote=promote)
    return Result(retrained.words, retrained.exit_code, retrained.run_id, retrained.outcome, retrained.values)


@contextmanager
def written(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the path of a file of rows, for the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labelled.parquet"
        rows.to_parquet(path, index=False)
        yield str(path)


@dataclass(frozen=True)
class Retrained:
    """The result of retraining: summary, run ID, outcome, exit code and values."""

    words: str
    run_id: str
    outcome: str
    exit_code: int
    values: RetrainValues


def retrain_on(session: Session, data: str, mode: str, *, model: str = "", promote: str = "") -> Retrained:
    """Run the chain on the rows of `data`, with or without the champion's.

    Raises
    ------
    UsageError : real rows would be mixed with synthetic ones.
    DataError : the new rows break the recipe's rules.
    """
    import numpy as np

    check_steps(session, ORDER, name_params(data=data, model=model, promote=promote))
    with session.open_run("retrain") as run:
        run.tag(mode=mode, input=name_rows(data or session.profile.data))
        rows, words = _replace(session, run, data) if mode == REPLACE else _append(session, run, data)
        session.reporter.say(f"retrain: {words}")
        params = name_params(data=rows, model=model, promote=promote)
        before = session.registry.holder(CHAMPION) if mode == REPLACE else None
        main, summary = run_pipeline(session, params, use_cache=session.profile.cache, nested_in=run.id)
        run.tag(main_run_id=main.id, data_digest=main.own_tag("data_digest"), data_source=main.own_tag("data_source"))
        run.outcome, run.exit_code = main.outcome, main.exit_code
        if before is not None and (codes := _codes_of(session, main.own_tag("evaluate_run_id"))) and codes.labels:
            state = ", in Production until now," if main.outcome == "promoted" else " in Production"
            _tell_unknown(session, before, np.array(codes.labels), "The rows have", state)
    values = RetrainValues(words, main.id, cast("ChainValues | None", main.values))
    return Retrained(f"{summary}\nRetrained on {words}.", run.id, run.outcome, run.exit_code, values)


@dataclass(frozen=True)
class NewRows:
    """New training rows by file.

    `data` names them where a step may read them itself; else it is empty.
    """

    files: list[LabelledFile]
    is_synthetic: bool
    data: str

    @property
    def waiting(self) -> int:
        """The number of rows without a label, which are left out."""
        return sum(file.waiting for file in self.files)


def _read_new(session: Session, data: str) -> NewRows:
    """Return the rows that `data` names.

    A source of the recipe, or any input of `monitor`; one reader reads both.
    """
    named = data or session.profile.data
    if not is_named(named, session.recipe):
        refuse_log(local_paths(named, session.cwd, missing_rows) or [], named)
        if is_remote(named):
            session.reporter.say(f"fetching {redact(named)}")
    source = session.source(data, seconds=DOWNLOAD_SECONDS)
    refuse_log([file.path for file in source.files], named)
    files = find_labelled(source.files, session.recipe.stated, source.origin)
    return NewRows(files, source.is_synthetic, named if all(file.is_as_is for file in files) else "")


def _replace(session: Session, run: StepRun, data: str) -> tuple[str, str]:
    """Return the URI of the new rows and a description.

    They are saved as a table of this run unless a step can read them directly.
    """
    from recipeline.data.checking.schema import validate_table

    words = "these rows alone"
    if not data:
        return data, words
    new = _read_new(session, data)
    if new.is_synthetic or (new.data and not new.waiting):
        return data, words
    recipe = session.recipe.stated
    known = check_labelled(new.files, recipe, name_rows(data))
    filtered = _take_filtered(known)
    rows = _save(run, validate_table(known, recipe, origin=name_rows(data)), new.files)
    return rows, f"{words}{_without(new.waiting, filtered)}"


def _without(waiting: int, filtered: int) -> str:
    reasons = ((waiting, "that have no label yet"), (filtered, "that rows.filter leaves out"))
    named = [f"{count} {why}" for count, why in reasons if count]
    return f", without {' and '.join(named)}" if named else ""


def _take_filtered(rows: pd.DataFrame) -> int:
    """Return how many rows the recipe's `rows.filter` left out of a validated table."""
    from recipeline.data.checking.schema import FILTERED

    return int(rows.attrs.pop(FILTERED, 0))


def _append(session: Session, run: StepRun, data: str) -> tuple[str, str]:
    """Save the champion's rows with the new ones; return the URI and a description."""
    import pandas as pd

    recipe = session.recipe.stated
    champion = session.registry.holder(CHAMPION)
    if champion is None:
        return _replace(session, run, data)[0], "these rows alone: no version is in Production yet"
    new = _read_new(session, data)
    ingested = run_of_version(champion, "ingest")
    old = session.reader.load(DATASET, ingested)
    if recipe.patterns:
        recipe = recipe.with_columns(
            dict.fromkeys([*old.columns, *(name for it in new.files for name in it.table.file.columns)])
        )
    rows = sum(file.rows for file in new.files)
    was_synthetic = champion.tags.get(VersionTags.DATA_SOURCE) == SYNTHETIC
    if was_synthetic and new.is_synthetic:  # one sample; as a file it would pass for real rows
        return data, f"{rows} synthetic rows"
    if was_synthetic or new.is_synthetic:
        origin = "a synthetic sample" if was_synthetic else "real rows"
        raise UsageError(
            f"Real rows cannot be mixed with synthetic ones: version {champion.version} in Production was trained on {origin}.",
            fix="Train on the new rows alone: mode=replace.",
        )
    old = _as_asked(old, recipe, str(champion.version))
    digest = str(champion.tags[VersionTags.DATA_DIGEST])
    known = find_contents(session, ingested, digest)
    asked = find_requests(session, ingested, known)
    added = [file.without(asked) for file in new.files if file.digest not in known]
    words, both = f"{len(old)} rows of version {champion.version}{_without(0, _take_filtered(old))}", old
    if any(file.rows for file in added):
        fresh = check_labelled(added, recipe, name_rows(data or session.profile.data))
        filtered = _take_filtered(fresh)
        _tell_new_labels(session, champion, fresh)
        both = pd.concat([old, fresh], ignore_index=True)
        words += f" and {len(fresh)} new ones{_without(sum(file.waiting for file in added), filtered)}"
        if len(fresh) + filtered < rows:
            words += f"; {rows - len(fresh) - filtered} others were added before"
    else:
        words += f": these {rows} were added before"
    return _save(run, both, added or new.files, base_digest=digest), words


def _save(run: StepRun, rows: pd.DataFrame, files: list[LabelledFile], **base: str) -> str:
    """Save rows, and which files and requests they are of; return their URI."""
    combined = run.save(TRAINING_DATA, rows)
    if len(requests := list_requests(files)):
        run.save(ADDED_REQUESTS, requests)
    run.tag(combined_digest=combined, **base, **tag_digests(RunTags.ADDED_DIGEST, [file.digest for file in files]))
    return f"runs:/{run.id}/{TRAINING_DATA.name}"


def _tell_new_labels(session: Session, champion: ModelVersion, rows: pd.DataFrame) -> None:
    """Say which labels of new rows the model in Production does not know."""
    from recipeline.data.target_codes import fit_target

    _tell_unknown(session, champion, fit_target(rows, session.recipe), "{count} new rows have")


def _tell_unknown(
    session: Session, champion: ModelVersion, target: np.ndarray, whose: str, state: str = " in Production"
) -> None:
    """Say which labels the model in Production does not know.

    The sentence begins with `whose`; the version is followed by its `state`.
    """
    import numpy as np

    codes = _codes_of(session, champion.tags.get(run_id_tag("evaluate"), ""))
    unknown = target[np.isnan(codes.place(target))] if codes and codes.labels else target[:0]
    if len(unknown):
        named = ", ".join(f"'{label}'" for label in np.unique(unknown)[:_LISTED].tolist())
        more = "" if len(np.unique(unknown)) <= _LISTED else " and others"
        session.reporter.say(
            f"warning: {whose.format(count=len(unknown))} labels that version {champion.version}{state} does not know: "
            f"{named}{more}. The version trained on them will predict them; if they are misspelt, correct the rows and retrain "
            "again."
        )


def _codes_of(session: Session, evaluated: str) -> TargetCodes | None:
    """Return the labels of the model that a run evaluated; None: unknown."""
    if not evaluated or not session.reader.has(MODEL_INFO, evaluated):
        return None
    codes: TargetCodes = session.reader.load(MODEL_INFO, evaluated).target.codes
    return codes


def _as_asked(rows: pd.DataFrame, recipe: Recipe, version: str) -> pd.DataFrame:
    """Return the rows of a version as the recipe describes them now.

    Raises
    ------
    DataError : they lack a column, or break a rule of the recipe.
    """
    from recipeline.data.checking.schema import validate_table

    if lacking := [name for name in recipe.columns if name not in rows.columns]:
        raise DataError(
            f"The rows of version {version} lack columns of the recipe: {', '.join(lacking)}.",
            fix="Train on the new rows alone: mode=replace.",
        )
    return validate_table(rows[list(recipe.columns)], recipe, origin=f"The rows of version {version}", is_all=False)
