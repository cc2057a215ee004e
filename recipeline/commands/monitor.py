"""Monitor: drift between live rows and training rows, and live errors."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from recipeline.artifacts import BASELINE, BASELINE_ROWS, DRIFT_REPORT, TRAINING_ROWS
from recipeline.cli.cards import card_of
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.live.live_rows import LiveData, open_live
from recipeline.cli.options import check_rows, choose_word, session_options
from recipeline.cli.output.results import MonitorValues
from recipeline.cli.rows import open_model
from recipeline.commands.retrain import APPEND, Retrained, retrain_on, written
from recipeline.errors import DataError, UsageError
from recipeline.orchestration.cards import StepResults, draw_card
from recipeline.orchestration.session import Session
from recipeline.reports.summary import describe_monitoring
from recipeline.tracking.connection.store import now_ms
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    import pandas as pd

    from recipeline.monitoring.results import Compared, DriftReport, ShadowCompared
    from recipeline.monitoring.windows import LiveRows, Window

NEVER, RETRAIN, NOTHING = "never", "retrain", "nothing"

#: Verdicts that count as failure, the mildest first.
FAIL_ON = ("warn", "drift", NEVER)

DRIFTED = 5

#: Where there are several windows, so many rows of each are kept for the tests that need rows.
KEPT_OF_A_WINDOW = 2_000


@entry_point("monitor")
@session_options
@click.option(
    "--data",
    callback=check_rows,
    default="",
    show_default="the service's log",
    help="CSV or Parquet, or a log: files, folders, patterns, a URI.",
)
@click.option(
    "--labels",
    callback=check_rows,
    default="",
    show_default="none",
    help="Late labels: a table of request_id, row and the target.",
)
@click.option(
    "--window", default="", show_default="all rows in one", help="A number of rows or a time: 1000, 24h, 7d, last24h."
)
@click.option(
    "--fail-on",
    default="",
    show_default="drift",
    metavar="|".join(FAIL_ON),
    help="The mildest verdict that ends with exit code 5.",
)
@click.option(
    "--on-drift",
    default="",
    show_default=NOTHING,
    metavar=f"{NOTHING}|{RETRAIN}",
    help="retrain: run the chain with the labelled rows as well.",
)
def monitor(recipe: str, profile: str, data: str, labels: str, window: str, fail_on: str, on_drift: str) -> Result:
    """Compare live rows with the training rows of the model in Production.

    With labels, also compare the model's errors with its out-of-fold errors in training.

    \b
    Reads:  the rows; baseline.json, baseline_rows.parquet and the model in Production
    Writes: drift.json, card.html; metrics, a step for each window
    Exit code 5: the last complete window has drifted. Without a complete window of at least monitoring.min_rows rows (recipe)
    there is no verdict, the output says so, and the exit code is 0. Without labelled rows on_drift=retrain changes nothing.
    Example: recipeline monitor --data wines.csv
    """
    from recipeline.monitoring.verdict import DRIFT, SEVERITY
    from recipeline.monitoring.windows import Window

    session, now = open_session(recipe, profile, makes=False), time.time()
    options = MonitorOptions(
        Window.parse(window, now),
        now,
        choose_word("fail_on", fail_on, FAIL_ON, default="drift"),
        choose_word("on_drift", on_drift, (NOTHING, RETRAIN)) == RETRAIN,
    )
    with (
        session.open_run("monitor") as run,
        open_live(session, run, data, labels, now=now, retrains=options.retrains, since=options.window.since) as live,
    ):
        report = _compare(session, run, live, options)
        run.save(DRIFT_REPORT, report)
        verdict = report.newest.verdict
        run.tag(verdict=verdict)
        if options.fail_on != NEVER and SEVERITY.get(verdict, 0) >= SEVERITY[options.fail_on]:
            run.outcome, run.exit_code = "drift", DRIFTED
        draw_card(session, run, "monitor", lambda: StepResults(session.recipe, run))
        values = _as_values(report, card_of(session, run.id))
        words, rows = [*describe_monitoring(report), f"The card: {values.card}"], None
        if options.retrains and verdict == DRIFT:
            # The drift is found and told either way: without labels, too, it is this command's result.
            try:
                rows = live.labelled(session)
            except DataError as error:
                words.append(f"Not retrained: {error}")
    if rows is None:
        return Result("\n".join(words), run.exit_code, run.id, run.outcome, values)
    session.reporter.say("\n".join(words))
    retrained = _retrain(session, rows)
    run.tag(retrain_run_id=retrained.run_id)
    # Only another model in Production ends a drift.
    code = 0 if retrained.outcome == "promoted" else retrained.exit_code or run.exit_code
    return Result(retrained.words, code, run.id, run.outcome, replace(values, retrained=retrained.values))


def _as_values(report: DriftReport, card: str) -> MonitorValues:
    findings = tuple(it for it in report.newest.findings if it.verdict != "ok")
    return MonitorValues(report.model, report.newest.verdict, report.worst, report.rows, len(report.windows), findings, card)


@dataclass(frozen=True)
class MonitorOptions:
    """The options of a monitoring run, parsed."""

    window: Window
    now: float
    fail_on: str
    retrains: bool


def _compare(session: Session, run: StepRun, live: LiveData, options: MonitorOptions) -> DriftReport:
    """Compare each window with the baseline, log its metrics, return the report.

    The report has the full result of the newest complete window and a summary of the others.
    """
    from recipeline.monitoring.drift import compare, summarise_window
    from recipeline.monitoring.live.live_rows import LiveTables
    from recipeline.monitoring.results import DriftReport, LabelCounts, Monitored, WindowSummary
    from recipeline.monitoring.sample import MOST_ROWS
    from recipeline.monitoring.tasks.every import TASKS
    from recipeline.monitoring.verdict import worst
    from recipeline.registry.loading import load_named

    recipe, baseline, reference = session.recipe, run.load(BASELINE), run.load(BASELINE_ROWS).to_numpy()
    is_table = isinstance(live.rows, LiveTables)
    if is_table and options.window.seconds:
        raise UsageError("window must be a number of rows for a table.", got="a time", fix="Only a log has times.")
    columns = live.rows.columns() if isinstance(live.rows, LiveTables) else {}
    most = MOST_ROWS if options.window.is_all else KEPT_OF_A_WINDOW
    windows, total = list[WindowSummary](), 0
    learned = run.load(TRAINING_ROWS)["row"].to_numpy() if run.has(TRAINING_ROWS) else None
    # Without rows if no window is complete yet.
    judged = compare(live.window(baseline, recipe, most), reference, recipe.monitoring, recipe, columns)
    # By its version: another one may come into Production meanwhile.
    uri = f"models:/{recipe.model_name}/{live.champion.version}"
    model = load_named(session.store, session.reader, recipe.model_name, uri)
    with open_model(session, model) as answers:
        stated = TASKS[live.info.target.task].state(live.info, answers.interval)
        for time_, window in options.window.split(
            _count_rows(session, live.rows.pieces()), lambda: live.window(baseline, recipe, most)
        ):
            window.predict_missing(answers.predict)
            found = compare(window, reference, recipe.monitoring, recipe, columns, learned, stated)
            total += window.rows
            _log_metrics(session, run, found, len(windows), time_)
            is_complete = options.window.is_complete(window.rows, time_, options.now)
            windows.append(summarise_window(found, None if math.isnan(time_) else time_, is_complete=is_complete))
            if is_complete and options.window.may_decide(time_):
                judged = found
    shadow = live.compare_shadow(session, learned)
    if shadow:
        run.tag(shadow_version=shadow.challenger)
        _log_shadow(session, run, shadow)
    if not windows:
        raise DataError(f"No rows in {live.origin}.", fix="Name a file with rows.")
    return DriftReport(
        model=Monitored(recipe.model_name, str(live.champion.version), baseline.errors.rows, live.info.target.task),
        origin=live.origin,
        rows=total,
        window_rows=options.window.rows,
        left_out=live.rows.left_out,
        repeated=live.rows.repeated,
        filtered=live.rows.filtered,
        labels=LabelCounts(len(live.labels.values), live.labels.joined) if live.labels else None,
        worst=worst(window.verdict for window in windows),
        windows=tuple(windows),
        newest=judged,
        shadow=shadow,
        drawn=live.count_drawn(),
    )


def _count_rows(session: Session, pieces: Iterator[LiveRows]) -> Iterator[LiveRows]:
    """Yield the pieces and show the number of rows so far."""
    rows = 0
    for piece in pieces:
        rows += len(piece.values)
        session.reporter.tick(f"{rows:,} rows")
        yield piece


def _log_metrics(session: Session, run: StepRun, found: Compared, step: int, time_: float) -> None:
    """Log the metrics of a window as one step, at the time of its last row."""
    from mlflow.entities import Metric

    from recipeline.monitoring.verdict import SEVERITY

    values: dict[str, float | None] = {"rows": found.rows, "severity": SEVERITY.get(found.verdict)}
    keys = _metric_keys(found.features)
    values |= {f"psi/{keys[name]}": spread.psi for name, spread in found.features.items()}
    values |= {f"wasserstein/{keys[name]}": spread.wasserstein for name, spread in found.features.items()}
    if found.prediction:
        values |= {"prediction_psi": found.prediction.psi, "prediction_wasserstein": found.prediction.wasserstein}
    if found.domain:
        values["domain_auc"] = found.domain.auc
    if found.said:
        values["prediction_label_psi"] = found.said.psi
    if errors := found.performance:
        values |= errors.scores
        values |= {"coverage": errors.coverage.share} if errors.coverage else {}
        calibrated = errors.calibration or {}
        labels = _metric_keys(calibrated)
        values |= {f"calibration/{labels[name]}": it.observed - it.predicted for name, it in calibrated.items()}
    when = now_ms() if math.isnan(time_) else int(time_ * 1000)
    metrics = [Metric(name, float(value), when, step) for name, value in values.items() if value is not None]
    session.store.client.log_batch(run.id, metrics=metrics)


def _log_shadow(session: Session, run: StepRun, found: ShadowCompared) -> None:
    """Log the comparison with the challenger in shadow as metrics."""
    from mlflow.entities import Metric

    values: dict[str, float | None] = {"shadow_rows": found.rows, "shadow_missed": sum(found.missed.values())}
    if found.rows:
        values |= {"shadow_absolute_difference": found.absolute, "shadow_agreement": found.agreed}
    if errors := found.labelled:
        values |= {"shadow_error": errors.challenger, "shadow_error_gain": errors.gain}
    metrics = [Metric(name, float(value), now_ms(), 0) for name, value in values.items() if value is not None]
    session.store.client.log_batch(run.id, metrics=metrics)


def _metric_keys(names: Iterable[str]) -> dict[str, str]:
    """Return the feature names as distinct, valid metric names."""
    keys: dict[str, str] = {}
    for name in names:
        key = re.sub(r"[^\w. -]", "_", name)
        while key in keys.values():
            key += "_"
        keys[name] = key
    return keys


def _retrain(session: Session, rows: pd.DataFrame) -> Retrained:
    """Retrain on the labelled rows, passed as a file."""
    with written(rows) as path:
        return retrain_on(session, path, APPEND)
