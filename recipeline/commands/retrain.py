"""Retrain: add rows to those that the model in Production learned from, or replace them, and run the chain on the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from recipeline.artifacts import DATASET, ORDER, TRAINING_DATA
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.options import check_path, choose_word, session_options
from recipeline.cli.pipeline import name_params, run_pipeline
from recipeline.config.table import SYNTHETIC
from recipeline.data.uris import redact
from recipeline.errors import DataError, UsageError
from recipeline.orchestration.chain import check_steps
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHAMPION
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    import pandas as pd

    from recipeline.data.sources import Source

APPEND, REPLACE = "append", "replace"


@entry_point("retrain")
@session_options
@click.option(
    "--data", callback=check_path, default="", show_default="the profile's", help="New rows, with the target: a path, or a URI."
)
@click.option(
    "--mode",
    default="",
    show_default="append; of the profile's own rows: replace",
    help="append: to the rows of the model in Production; replace: learn from these rows alone.",
)
@click.option("--model", default="", show_default="all", help="The candidates to train, as for main.")
@click.option("--promote", default="", show_default="the profile's: auto", help="As for main.")
def retrain(recipe: str, profile: str, data: str, mode: str, model: str, promote: str) -> Result:
    """Learn from new rows, and put the result into Production where it has earned it: the chain, with the same gates.

    \b
    Reads:  the new rows, the rows of the model in Production
    Writes: training_data.parquet; the chain's runs, nested in its own
    Rows that were added before are not added twice: a file is known by the digest of its content.
    Example: recipeline retrain --data new_wines.csv
    """
    session = open_session(recipe, profile, will_fit=True, data=data)
    # The profile's own rows hold those that were there before.
    chosen = choose_word("mode", mode, (APPEND, REPLACE), default=APPEND if data else REPLACE)
    retrained = retrain_on(session, data, chosen, model=model, promote=promote)
    return Result(retrained.words, retrained.exit_code, retrained.run_id, retrained.outcome)


@dataclass(frozen=True)
class Retrained:
    """What became of it: words for people, the run, and how it ended."""

    words: str
    run_id: str
    outcome: str
    exit_code: int


def retrain_on(session: Session, data: str, mode: str, *, model: str = "", promote: str = "") -> Retrained:
    """Run the chain on the rows of the champion and those of `data`, or on the latter alone.

    Raises
    ------
    UsageError : real rows would be mixed with made-up ones. DataError : the new rows are not as the recipe says.
    """
    check_steps(session, ORDER, name_params(data=data, model=model, promote=promote))
    with session.open_run("retrain") as run:
        run.tag(mode=mode, input=redact(data or session.profile.data))
        rows, words = _replace(session, run, data) if mode == REPLACE else _append(session, run, data)
        session.reporter.say(f"retrain: {words}")
        params = name_params(data=rows, model=model, promote=promote)
        main, summary = run_pipeline(session, params, use_cache=session.profile.cache, nested_in=run.id)
        run.tag(main_run_id=main.id, data_digest=main.own_tag("data_digest"), data_source=main.own_tag("data_source"))
        run.outcome, run.exit_code = main.outcome, main.exit_code
    return Retrained(f"{summary}\nRetrained on {words}.", run.id, run.outcome, run.exit_code)


def _read_labelled(session: Session, source: Source) -> tuple[pd.DataFrame, int]:
    """Return the rows of a file whose label is known, and how many others there are: as monitor reads it.

    An empty label is not yet known, and columns that `predict` and the service add are not learned from.

    Raises
    ------
    DataError : it is no table, or no label is known.
    """
    import pyarrow as pa

    from recipeline.data.numbers import read_numbers
    from recipeline.data.tables import read_table
    from recipeline.monitoring.live_rows import OTHERS

    recipe = session.recipe
    content = read_table(source.content, columns=list(recipe.columns), origin=source.origin)
    content = content.drop(columns=[name for name in content.columns if name in OTHERS and name not in recipe.columns])
    if recipe.target not in content:
        return content, 0
    _, waiting = read_numbers(pa.Array.from_pandas(content[recipe.target]), recipe.target, recipe.na)
    labelled = content[~waiting]
    if labelled.empty:
        raise DataError(
            f"{source.origin} must have rows whose target '{recipe.target}' is known.",
            got="none",
            fix="Retrain once labels are known.",
        )
    return labelled.reset_index(drop=True), int(waiting.sum())


def _replace(session: Session, run: StepRun, data: str) -> tuple[str, str]:
    """Return where the new rows are, saved as a table of their own where labels are not known; in words what is in it."""
    from recipeline.data.schema import validate_table

    words = "these rows alone"
    if not data or (source := session.source(data)).is_synthetic:
        return data, words
    labelled, waiting = _read_labelled(session, source)
    if not waiting:
        return data, words
    run.save(TRAINING_DATA, validate_table(labelled, session.recipe, origin=_named(source, waiting)))
    return f"runs:/{run.id}/{TRAINING_DATA.name}", f"{words}{_without(waiting)}"


def _named(source: Source, waiting: int) -> str:
    """Return the name of a file in errors, which number the rows whose label is known."""
    return f"{source.origin}, its {waiting} rows without a label left out," if waiting else source.origin


def _without(waiting: int) -> str:
    return f", without {waiting} whose label is not yet known" if waiting else ""


def _append(session: Session, run: StepRun, data: str) -> tuple[str, str]:
    """Save the champion's rows and the new ones as one table; return its URI, and in words what is in it."""
    import pandas as pd

    from recipeline.data.schema import validate_table

    recipe, source = session.recipe, session.source(data)
    champion = session.registry.holder(CHAMPION)
    if champion is None:
        return _replace(session, run, data)[0], "these rows alone: nothing is in Production yet"
    content, waiting = _read_labelled(session, source)
    new = validate_table(content, recipe, origin=_named(source, waiting), is_all=False)
    was_synthetic = champion.tags.get("recipeline.data_source") == SYNTHETIC
    if was_synthetic and source.is_synthetic:  # one sample; as a file it would pass for real rows
        return data, f"{len(new)} made-up rows"
    if was_synthetic or source.is_synthetic:
        origin = "a synthetic sample" if was_synthetic else "real rows"
        raise UsageError(
            "Real rows must not be mixed with made-up ones.",
            got=f"version {champion.version}, trained on {origin}, in Production",
            fix="Learn from the new rows alone: mode=replace.",
        )
    old = session.reader.load(DATASET, champion.tags["recipeline.ingest_run_id"])[list(recipe.columns)]
    digest = str(champion.tags["recipeline.data_digest"])
    if source.sha256 in _contents(session, digest):
        words = f"{len(old)} rows of version {champion.version}: these {len(new)} are among them already"
        both = old
    else:
        words = f"{len(old)} rows of version {champion.version} and {len(new)} new ones{_without(waiting)}"
        both = pd.concat([old, new], ignore_index=True)
    combined = run.save(TRAINING_DATA, both)
    run.tag(base_digest=digest, added_digest=source.sha256, combined_digest=combined)
    return f"runs:/{run.id}/{TRAINING_DATA.name}", words


def _contents(session: Session, digest: str) -> set[str]:
    """Return the digests of all files that are in a table of training rows: its own, and of what it was put together."""
    made = {
        tags.get("recipeline.combined_digest"): (tags["recipeline.base_digest"], tags["recipeline.added_digest"])
        for run in session.history.newest("retrain", limit=1000)
        if "recipeline.combined_digest" in (tags := run.data.tags)
    }
    found, waiting = set[str](), [digest]
    while waiting:
        it = waiting.pop()
        if it not in found:
            found.add(it)
            waiting += made.get(it, ())
    return found
