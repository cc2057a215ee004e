"""Predict: predictions for a file of rows, or for the model's sample row."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import is_fetched_project, open_session
from recipeline.cli.options import check_rows, choose_word, session_options
from recipeline.cli.rows import open_model
from recipeline.cli.scoring.results import PredictedFile, PredictValues, SampleAnswer, say_rejected
from recipeline.data.origin.paths import local_path, local_paths, split_uri
from recipeline.data.origin.uris import redact
from recipeline.errors import UnavailableError, UsageError, missing_rows
from recipeline.escape import is_remote
from recipeline.orchestration.session import Session
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recipeline.inference.predictor import Asked
    from recipeline.inference.tally import Tally
    from recipeline.registry.loading import NamedModel

STOP, REJECT = "stop", "reject"

#: The probabilities of so many labels are shown.
_LIKELIEST = 3


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
    show_default="<input>.predictions.csv or .parquet, in the working folder",
    help="The file to write: .csv, .csv.gz or .parquet. Or a folder/, also in an object store: a part for each input file.",
)
@click.option(
    "--shard",
    default="",
    show_default="all parts",
    metavar="I/N",
    help="The share of this machine: 1/16 to 16/16. The output must be a folder.",
)
@click.option("--model-uri", default="", show_default="models:/<model of the recipe>/Production", help="The model.")
@click.option(
    "--on-bad-rows",
    default="",
    show_default=STOP,
    metavar=f"{STOP}|{REJECT}",
    help="stop: list bad rows and write nothing; reject: write them to <output>.rejects.csv.",
)
def predict(recipe: str, profile: str, input: str, output: str, shard: str, model_uri: str, on_bad_rows: str) -> Result:
    """Predict a file of rows of any size; without input, the model's sample row.

    \b
    Reads:  the rows, the model and its model_info.json
    Writes: the input's columns, with prediction, prediction_lower, prediction_upper and model_version;
            of labels prediction, a column probability_<label> of each, and model_version
    The output is written whole or not at all. A bad row has a missing or an impossible value. In a folder
    parts that are done are kept.
    Example: recipeline predict --input wines.csv --output scored.csv
    """
    from recipeline.cli.scoring.places import find_folder, parse_shard
    from recipeline.registry.loading import check_model_uri, load_named

    session = open_session(recipe, profile, reads=True)
    check_model_uri(model_uri)
    rejects = choose_word("on_bad_rows", on_bad_rows, (STOP, REJECT)) == REJECT
    part, folder = parse_shard(shard), find_folder(output, session.cwd) if input and output else None
    if folder:
        _require_kept(output)
    elif part:
        raise UsageError(
            "shard needs an output that is a folder: machines share no file.", fix="Name a folder: output=scored/."
        )
    target = None if folder else choose_output(session.cwd, input, output)
    if not session.store.is_writable:
        session.reporter.say("note: no permission to write to the store: this prediction is not recorded as a run")
    with session.open_run("predict") if session.store.is_writable else nullcontext() as run:
        model = load_named(session.store, session.reader, session.recipe.model_name, model_uri)
        if run:
            run.tag(model_name=model.name, model_version=model.version, model_data_source=model.data_source)
        words = [f"The model: {model}."]
        if model.is_synthetic:
            words.append("It was trained on SYNTHETIC rows: its predictions do not apply to real ones.")
        values = PredictValues(model.name, model.version, model.candidate, model.data_source)
        if folder:
            from recipeline.cli.scoring.folders import predict_folder

            if run:
                run.tag(input=redact(input), output=folder.label)
            lines, scored = predict_folder(session, model, input, folder, part, rejects=rejects)
            counts = (
                ("rows", scored.rows),
                ("rejected", scored.rejected),
                ("rows_per_second", scored.new_rows / scored.seconds),
            )
            _record(session, run, dict(counts))
            lines += _warn(model, scored.out_of_range, scored.filtered)
            words, values = [*words, *lines], replace(values, folder=scored)
        elif target:
            lines, file = predict_file(session, run, model, input, target, rejects=rejects)
            words, values = [*words, *lines], replace(values, file=file)
        else:
            text, sample = predict_sample(session, model)
            words, values = [*words, text], replace(values, sample=sample)
    return Result("\n".join(words), run_id=run.id if run else "", outcome=run.outcome if run else "", values=values)


def choose_output(folder: Path, input: str, output: str) -> Path | None:
    """Return the file to write; None where there is no input.

    `output`, or a file named after the input in `folder`.

    Raises
    ------
    UsageError : it is not a local file, its kind is unknown, or it lies in a project that is deleted after the run.
    """
    from recipeline.data.readers import split_name
    from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES

    if not input:
        if output:
            raise UsageError("output is set without input.", fix="Name the rows to predict with input=.")
        return None
    name = Path(split_uri(redact(input)).path if is_remote(input) else input).name
    stem, suffix = split_name(name.replace("***", ""))  # no name of a file holds a secret of the address
    path = local_path(output or f"{stem or 'input'}.predictions{suffix or '.csv'}", folder)
    if path is None:
        raise UsageError(
            "output must be a local file.", got=f"'{redact(output)}'", fix="Name a local file and copy it afterwards."
        )
    _require_kept(output)
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    known = [*CSV_SUFFIXES, *(f"{suffix}.gz" for suffix in CSV_SUFFIXES), *PARQUET_SUFFIXES]
    if suffix not in known:
        raise UsageError(
            "output must be a CSV or Parquet file.", got=f"'{path.name}'", fix=f"Use an ending of {', '.join(known)}."
        )
    return path


def _require_kept(output: str) -> None:
    """Raise UsageError for an output in a project that is deleted after the run."""
    if is_fetched_project() and not is_remote(output) and not Path(output).expanduser().is_absolute():
        raise UsageError(
            "output must be an absolute path where the project is run from a URI.",
            got=f"'{output}'",
            fix="Give the full path: -P output=$PWD/scored.csv.",
        )


def predict_file(
    session: Session, run: StepRun | None, model: NamedModel, input: str, target: Path, *, rejects: bool
) -> tuple[list[str], PredictedFile]:
    """Predict the rows of `input` into `target`; return the summary and its values."""
    from recipeline.cli.scoring.places import input_files
    from recipeline.data.readers import split_name
    from recipeline.data.reading.formats import Format
    from recipeline.data.writers import check_output
    from recipeline.inference.batch import Job

    stem, suffix = split_name(target.name)
    aside = target.with_name(f"{stem}.rejects{suffix}") if rejects else None
    if run:
        run.tag(input=redact(input), output=target)
    with input_files(session, input) as files, open_model(session, model) as asked:
        tables = [file.open(asked.names, Format.of(session.recipe.data)) for file in files]
        paths = local_paths(input, session.cwd, missing_rows) or []
        for output in (target, *([aside] if aside else [])):
            check_output(output, paths)
        started = time.monotonic()

        def report(rows: int) -> None:
            session.reporter.tick(f"{rows:,} rows, {rows / (time.monotonic() - started):,.0f} rows/s")

        tally = Job(tables, asked, target, aside, redact(input)).run(report)
    seconds = time.monotonic() - started
    _record(session, run, {"rows": tally.rows, "rejected": tally.rejected, "rows_per_second": tally.rows / seconds})
    file = PredictedFile(
        output=str(target),
        rejects=str(aside or ""),
        rows=tally.rows,
        predicted=tally.predicted,
        rejected=tally.rejected,
        seconds=seconds,
        out_of_range={name: count for name, count in tally.unseen.items() if count},
        filtered={name: count for name, count in tally.left_out.items() if count},
    )
    return _words(model, tally, target, aside, seconds), file


def _record(session: Session, run: StepRun | None, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        if run:
            session.store.client.log_metric(run.id, name, value)


def _words(model: NamedModel, tally: Tally, target: Path, aside: Path | None, seconds: float) -> list[str]:
    lines = [f"{tally.predicted:,} rows predicted in {seconds:.1f} s ({tally.rows / seconds:,.0f} rows/s): {target}"]
    if aside:
        lines.append(say_rejected(tally.rejected, str(aside)))
    return [*lines, *_warn(model, tally.unseen, tally.left_out)]


def _warn(model: NamedModel, unseen: Mapping[str, int], left_out: Mapping[str, int]) -> list[str]:
    """Return warnings of predicted rows that the model was not trained on."""
    lines = []
    if counts := [f"{name} {count:,}" for name, count in unseen.items() if count]:
        lines.append(f"Warning: rows with values outside of the training range: {', '.join(counts)}.")
    for it in model.info.filter if model.info else ():
        if count := left_out.get(it.column):
            rows = f"{count:,} rows" if count > 1 else "1 row"
            lines.append(f"Warning: {rows} of '{it.column}' that the model was not trained on: rows.filter keeps {it.words}.")
    if model.info is None:
        lines.append("Warning: the model has no model_info.json: ranges were not checked, and predictions have no interval.")
    return lines


def _show(value: Any) -> str:
    """Return a value of a sample row as people read it."""
    if value is None:
        return "missing"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _say(answer: Mapping[str, Any], asked: Asked) -> str:
    """Return a row's answer in words: a number with its interval, or likely labels."""
    from recipeline.inference.golden import PREDICTION
    from recipeline.inference.predictor import PROBABILITY

    texts, unit = asked.target.codes.texts, f" {asked.target.unit}" if asked.target.unit else ""
    if texts:
        likeliest = sorted(texts, key=lambda text: -answer[PROBABILITY + text])[:_LIKELIEST]
        shares = ", ".join(f"{text} {answer[PROBABILITY + text]:.3f}" for text in likeliest)
        return f"{_show(answer[PREDICTION])}{unit} (probabilities: {shares}{', ...' if len(texts) > _LIKELIEST else ''})"
    limits = ""
    if asked.interval:
        low, high = answer["prediction_lower"], answer["prediction_upper"]
        limits = f" ({100 * asked.interval.level:g} % interval {low:.2f} to {high:.2f})"
    return f"{answer[PREDICTION]:.2f}{unit}{limits}"


def predict_sample(session: Session, model: NamedModel) -> tuple[str, SampleAnswer]:
    """Return the model's sample row and its prediction, as text and as values."""
    import numpy as np

    from recipeline.inference.columns import Columns
    from recipeline.reports.summary import tabulate

    if model.info is None:
        raise UnavailableError(
            f"No sample row in the model_info.json of {model}.",
            fix="Name the rows to predict with input=, or register the model again.",
        )
    sample, target = model.info.sample, model.info.target
    columns = Columns.of(model.info)
    rows = np.array([[np.nan if sample[it.name] is None else it.kind.read(sample[it.name], it)[0] for it in columns.features]])
    with open_model(session, model) as asked:
        answer = dict(
            zip([name for name, _ in asked.columns], (column[0].as_py() for column in asked.answer(rows)), strict=True)
        )
    shown = [(it.name, _show(sample[it.name]), it.unit) for it in columns.features]
    lines = [
        tabulate(["feature", "value", "unit"], shown),
        f"{target.name}: {_say(answer, asked)}",
        'Your own rows: make predict ARGS="input=rows.csv"',
    ]
    return "\n".join(lines), SampleAnswer({it.name: sample[it.name] for it in columns.features}, answer)
