"""Predict: a file of rows of any size, or the model's sample row."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import is_fetched_project, open_session
from recipeline.cli.options import check_rows, choose_word, session_options
from recipeline.cli.rows import asked_model, fetched, open_tables
from recipeline.data.paths import local_path
from recipeline.data.uris import redact
from recipeline.errors import UnavailableError, UsageError
from recipeline.escape import is_remote
from recipeline.orchestration.session import Session
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    from recipeline.inference.batch import Tally
    from recipeline.registry.loading import NamedModel

STOP, REJECT = "stop", "reject"


@entry_point("predict")
@session_options
@click.option(
    "--input",
    callback=check_rows,
    default="",
    show_default="the model's sample row",
    help="CSV or Parquet: files, folders, patterns, a URI.",
)
@click.option(
    "--output",
    default="",
    show_default="<input>.predictions.csv or .parquet, in the folder you are in",
    help="The file to write: .csv, .csv.gz or .parquet.",
)
@click.option("--model-uri", default="", show_default="models:/<model of the recipe>/Production", help="The model to ask.")
@click.option(
    "--on-bad-rows",
    default="",
    show_default=STOP,
    help="stop: name them and write nothing; reject: set them aside in <output>.rejects.csv.",
)
def predict(recipe: str, profile: str, input: str, output: str, model_uri: str, on_bad_rows: str) -> Result:
    """Predict a file of rows of any size; without input, the model's sample row, for a first look.

    \b
    Reads:  the rows, the model and its model_info.json
    Writes: the rows as they were, with prediction, prediction_lower, prediction_upper (90 %) and model_version
    The output is there whole or not at all. A bad row lacks a number, or has one that is not possible.
    Example: recipeline predict --input wines.csv --output scored.csv
    """
    from recipeline.registry.loading import check_model_uri, load_named

    session = open_session(recipe, profile, reads=True)
    check_model_uri(model_uri)
    rejects = choose_word("on_bad_rows", on_bad_rows, (STOP, REJECT)) == REJECT
    target = choose_output(session.cwd, input, output)
    if not session.store.is_writable:
        session.reporter.say("note: you may not write to the store: this prediction leaves no run")
    with session.open_run("predict") if session.store.is_writable else nullcontext() as run:
        model = load_named(session.store, session.reader, session.recipe.model_name, model_uri)
        if run:
            run.tag(model_name=model.name, model_version=model.version, model_data_source=model.data_source)
        words = [f"The model: {model}."]
        if model.is_synthetic:
            words.append("It was trained on SYNTHETIC rows, made up: what it predicts says nothing about real ones.")
        if target:
            words += predict_file(session, run, model, input, target, rejects=rejects)
        else:
            words.append(predict_sample(session, model))
    return Result("\n".join(words), run_id=run.id if run else "", outcome=run.outcome if run else "")


def choose_output(folder: Path, input: str, output: str) -> Path | None:
    """Return the file to write: `output`, or one of the input's name in `folder`; None where there is no input.

    Raises
    ------
    UsageError : it is no local file, of no known kind, or would be written into a project that is gone after the run.
    """
    from recipeline.data.readers import split_name
    from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES

    if not input:
        if output:
            raise UsageError("output needs an input.", got="none", fix="Name the rows to predict with input=.")
        return None
    name = Path(urlsplit(redact(input)).path if is_remote(input) else input).name
    stem, suffix = split_name(name.replace("***", ""))  # no name of a file holds a secret of the address
    path = local_path(output or f"{stem or 'input'}.predictions{suffix or '.csv'}", folder)
    if path is None:
        raise UsageError("output must be a local file.", got=f"'{redact(output)}'", fix="Name one, and copy it from there.")
    if is_fetched_project() and not Path(output).expanduser().is_absolute():
        raise UsageError(
            "output must be an absolute path where the project is run from a URI.",
            got=f"'{output}'",
            fix="Name the file with its whole path: -P output=$PWD/scored.csv.",
        )
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    known = [*CSV_SUFFIXES, *(f"{suffix}.gz" for suffix in CSV_SUFFIXES), *PARQUET_SUFFIXES]
    if suffix not in known:
        raise UsageError("output must be a CSV or Parquet file.", got=f"'{path.name}'", fix=f"It ends in {', '.join(known)}.")
    return path


def predict_file(
    session: Session, run: StepRun | None, model: NamedModel, input: str, target: Path, *, rejects: bool
) -> list[str]:
    """Predict the rows of `input` into `target`; return the summary."""
    from recipeline.data.readers import split_name
    from recipeline.data.writers import check_output
    from recipeline.inference.batch import Job

    stem, suffix = split_name(target.name)
    aside = target.with_name(f"{stem}.rejects{suffix}") if rejects else None
    if run:
        run.tag(input=redact(input), output=target)
    with fetched(session, input, "input") as paths, asked_model(session, model) as asked:
        tables = open_tables(paths, asked.names, input, session.recipe)
        for output in (target, *([aside] if aside else [])):
            check_output(output, paths)
        started = time.monotonic()

        def report(rows: int) -> None:
            session.reporter.tick(f"{rows:,} rows, {rows / (time.monotonic() - started):,.0f} rows/s")

        tally = Job(tables, asked, target, aside, redact(input)).run(report)
    seconds = time.monotonic() - started
    for name, value in (("rows", tally.rows), ("rejected", tally.rejected), ("rows_per_second", tally.rows / seconds)):
        if run:
            session.store.client.log_metric(run.id, name, value)
    return _words(model, tally, target, aside, seconds)


def _words(model: NamedModel, tally: Tally, target: Path, aside: Path | None, seconds: float) -> list[str]:
    lines = [f"{tally.predicted:,} rows predicted in {seconds:.1f} s ({tally.rows / seconds:,.0f} rows/s): {target}"]
    if aside:
        lines.append(f"{tally.rejected:,} bad rows set aside: {aside}")
    unseen = [f"{name} {count:,}" for name, count in tally.unseen.items() if count]
    if unseen:
        lines.append(f"Warning: rows with values beyond those that the model was trained on: {', '.join(unseen)}.")
    if model.info is None:
        lines.append("Warning: the model has no model_info.json: no ranges were checked, and there is no interval.")
    return lines


def predict_sample(session: Session, model: NamedModel) -> str:
    """Return the model's sample row and its prediction, for people."""
    import numpy as np

    from recipeline.reports.summary import tabulate

    if model.info is None:
        raise UnavailableError(
            f"{model} must have a sample row in its model_info.json.",
            got="none",
            fix="Name the rows to predict with input=, or register the model anew.",
        )
    sample, target = model.info["sample"], model.info["target"]
    rows = np.array([[np.nan if sample[name] is None else sample[name] for name in model.features]], dtype=np.float64)
    with asked_model(session, model) as asked:
        answer = dict(
            zip([name for name, _ in asked.columns], (column[0].as_py() for column in asked.answer(rows)), strict=True)
        )
    shown = [
        (feature["name"], "missing" if sample[feature["name"]] is None else f"{sample[feature['name']]:g}", feature["unit"])
        for feature in model.info["features"]
    ]
    limits = ""
    if asked.interval:
        low, high = answer["prediction_lower"], answer["prediction_upper"]
        limits = f" ({100 * asked.interval.level:g} % interval {low:.2f} to {high:.2f})"
    unit = f" {target['unit']}" if target["unit"] else ""
    lines = [
        tabulate(["feature", "value", "unit"], shown),
        f"{target['name']}: {answer['prediction']:.2f}{unit}{limits}",
        'Your own rows: make predict ARGS="input=wines.csv"',
    ]
    return "\n".join(lines)
