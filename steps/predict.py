"""Predict: a file of rows of any size, or the model's sample row."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from pipeline.errors import UnavailableError, UsageError, nearest
from pipeline.runs import StepRun
from pipeline.session import Session
from pipeline.sources import copy_uri, local_path, redact
from steps.command import Result, entry_point, is_fetched_project, open_session, session_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.batch import Asked, Table, Tally
    from pipeline.model_uris import NamedModel

STOP, REJECT = "stop", "reject"
#: A download of the input is given up on after so many seconds.
DOWNLOAD_SECONDS = 3600.0


@entry_point("predict")
@session_options
@click.option("--input", default="", show_default="the model's sample row", help="CSV or Parquet: a file, a folder, a URI.")
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
    Example: python -m steps.predict --input wines.csv --output scored.csv
    """
    from pipeline.model_uris import check_model_uri, load_named

    session = open_session(recipe, profile)
    check_model_uri(model_uri)
    rejects = choose_on_bad_rows(on_bad_rows) == REJECT
    target = choose_output(session.cwd, input, output)
    with session.open_run("predict") as run:
        model = load_named(session.store, session.reader, session.recipe.model_name, model_uri)
        run.tag(model_name=model.name, model_version=model.version, model_data_source=model.data_source)
        words = [f"The model: {model}."]
        if model.is_synthetic:
            words.append("It was trained on SYNTHETIC rows, made up: what it predicts says nothing about real ones.")
        if target:
            words += predict_file(session, run, model, input, target, rejects=rejects)
        else:
            words.append(predict_sample(session, model))
    return Result("\n".join([*words, run.id]))


def choose_on_bad_rows(word: str) -> str:
    """Return `word`, or the default where it is empty. Raises UsageError where it is no known one."""
    if word and word not in (STOP, REJECT):
        raise UsageError("on_bad_rows must be stop or reject.", got=f"'{word}'", fix=nearest(word, (STOP, REJECT)))
    return word or STOP


def choose_output(folder: Path, input: str, output: str) -> Path | None:
    """Return the file to write: `output`, or one of the input's name in `folder`; None where there is no input.

    Raises
    ------
    UsageError : it is no local file, of no known kind, or would be written into a project that is gone after the run.
    """
    from pipeline.row_files import split_name
    from pipeline.row_sinks import CSV_SUFFIXES, PARQUET_SUFFIXES

    if not input:
        if output:
            raise UsageError("output needs an input.", got="none", fix="Name the rows to predict with input=.")
        return None
    stem, suffix = split_name(Path(urlsplit(input).path if "://" in input else input).name)
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


def predict_file(session: Session, run: StepRun, model: NamedModel, input: str, target: Path, *, rejects: bool) -> list[str]:
    """Predict the rows of `input` into `target`; return the summary."""
    from pipeline.batch import Job
    from pipeline.row_files import split_name
    from pipeline.row_sinks import check_output

    stem, suffix = split_name(target.name)
    aside = target.with_name(f"{stem}.rejects{suffix}") if rejects else None
    run.tag(input=redact(input), output=target)
    with _fetched(session, input) as path, _asked(session, model) as asked:
        tables = _open_tables(path, asked.names, input)
        for output in (target, *([aside] if aside else [])):
            check_output(output, [path])
        started = time.monotonic()

        def report(rows: int) -> None:
            session.reporter.tick(f"{rows:,} rows, {rows / (time.monotonic() - started):,.0f} rows/s")

        tally = Job(tables, asked, target, aside, redact(input)).run(report)
    seconds = time.monotonic() - started
    for name, value in (("rows", tally.rows), ("rejected", tally.rejected), ("rows_per_second", tally.rows / seconds)):
        session.store.client.log_metric(run.id, name, value)
    return _words(model, tally, target, aside, seconds)


@contextmanager
def _fetched(session: Session, input: str) -> Iterator[Path]:
    """Give the path of the input: as it is, or, of a URI, that of a copy for the block."""
    path = local_path(input, session.cwd)
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        session.reporter.say(f"fetching {redact(input)}")
        try:
            path = copy_uri(input, Path(folder), parameter="input", seconds=DOWNLOAD_SECONDS)
        except OSError as error:
            raise UnavailableError(
                f"The folder {folder} must take a copy of the input.",
                got=f"'{error.strerror or error}'",
                fix="Make room, or name another one with the environment variable TMPDIR.",
            ) from None
        yield path


def _open_tables(path: Path, names: list[str], input: str) -> list[Table]:
    from pipeline.batch import Table
    from pipeline.row_files import find_files, open_rows

    if not path.is_dir():
        return [Table(open_rows(file, names, redact(input)), redact(input)) for file in find_files(path)]
    return [Table(open_rows(file, names, str(file)), str(file), file.name) for file in find_files(path)]


@contextmanager
def _asked(session: Session, model: NamedModel) -> Iterator[Asked]:
    """Give the model as it is asked, with its threads for as long as the block."""
    from joblib import effective_n_jobs

    from pipeline.batch import Asked, Predictor
    from pipeline.features import Feature

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

    from pipeline.summary import tabulate

    if model.info is None:
        raise UnavailableError(
            f"{model} must have a sample row in its model_info.json.",
            got="none",
            fix="Name the rows to predict with input=, or register the model anew.",
        )
    sample, target = model.info["sample"], model.info["target"]
    rows = np.array([[np.nan if sample[name] is None else sample[name] for name in model.features]], dtype=np.float64)
    with _asked(session, model) as asked:
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


if __name__ == "__main__":
    predict()
