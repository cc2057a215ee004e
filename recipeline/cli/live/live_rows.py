"""Live rows of a command: a table, or the service's log with late labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipeline.artifacts import BASELINE, MODEL_INFO, TRAINING_ROWS
from recipeline.cli.live.log import (
    find_logs,
    find_own_log,
    open_log,
    read_late_labels,
    require_logged,
    rule_of_target,
    take_labelled,
)
from recipeline.cli.output.caller import name_rows
from recipeline.cli.rows import local_rows, open_tables
from recipeline.errors import DataError, UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHALLENGER, CHAMPION
from recipeline.tracking.lineage import lineage_of_version, run_of_version
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import VersionTags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

    from recipeline.config.recipe import Recipe
    from recipeline.inference.model_info import ModelInfo
    from recipeline.monitoring.live.labels import Labels
    from recipeline.monitoring.live.live_rows import LiveTables
    from recipeline.monitoring.live.log_files import LogFile
    from recipeline.monitoring.live.prediction_log import PredictionLog
    from recipeline.monitoring.live.shadow_log import ShadowRows
    from recipeline.monitoring.results import Baseline, DrawnRows, ShadowCompared
    from recipeline.monitoring.sample import Live


@dataclass(frozen=True)
class LiveData:
    """Live rows, their model in Production, and their labels."""

    champion: ModelVersion
    info: ModelInfo
    rows: LiveTables | PredictionLog
    labels: Labels | None
    origin: str
    target: str
    challenger: ModelVersion | None = None

    def window(self, baseline: Baseline, recipe: Recipe, most: int) -> Live:
        """Return a window without rows; it keeps `most` of those that it takes."""
        from recipeline.monitoring.sample import Live

        target = self.info.target
        return Live(self.info.features, baseline, recipe.random_state, most, target.codes, target.decides_at)

    def compare_shadow(self, session: Session, learned: np.ndarray | None) -> ShadowCompared | None:
        """Return the comparison with the challenger in shadow, after all rows were read.

        `learned` are keys of the champion's training rows. None: no row of the log has a prediction of the challenger.
        """
        import numpy as np

        rows: ShadowRows | None = getattr(self.rows, "shadow", None)
        if rows is None or self.challenger is None:
            return None
        known = [] if learned is None else [learned]
        with suppress(UnavailableError):  # a version that was registered by other means, or whose run was deleted
            info = session.reader.load(MODEL_INFO, run_of_version(self.challenger, MODEL_INFO.step))
            if [(it.name, it.type) for it in info.features] == [(it.name, it.type) for it in self.info.features]:
                found = session.reader.load(TRAINING_ROWS, self.challenger.tags.get(VersionTags.REGISTER_RUN_ID, ""))
                known.append(found["row"].to_numpy())
        return rows.report(np.concatenate(known) if known else None)

    def count_drawn(self) -> DrawnRows | None:
        """Return the rows that those read stand for; None: all were logged."""
        from recipeline.monitoring.results import DrawnRows

        drawn = getattr(self.rows, "drawn", None)
        return DrawnRows(round(drawn.rows), round(drawn.effective)) if drawn and drawn.rows > drawn.lines else None

    def labelled(self, session: Session) -> pd.DataFrame:
        """Return the rows whose target is known; say how many of them cannot be used.

        Raises
        ------
        DataError : there is none.
        """
        return take_labelled(session, self.rows, self.target)


@contextmanager
def open_live(
    session: Session, run: StepRun, data: str, labels: str, *, now: float, retrains: bool, since: float = 0.0
) -> Iterator[LiveData]:
    """Find the model in Production and the rows; yield both for the block.

    `data` names a table or a log, "" the service's log; `labels` the late labels of a log. `now` is the time in seconds since
    1970, later rows of a log are left out; of an archive those before `since` are, too. `retrains`: the rows must have all
    columns that training needs.

    Raises
    ------
    UnavailableError : there is no version in Production, it has no baseline, or the service's log has no rows.
    DataError, UsageError : the rows, or rows and labels, cannot be compared with the model.
    """
    from recipeline.monitoring.live.live_rows import LiveTables
    from recipeline.monitoring.live.log_files import find_beside
    from recipeline.monitoring.live.shadow_log import ShadowRows

    champion = session.registry.holder(CHAMPION)
    if champion is None:
        raise UnavailableError(
            f"No version of {session.registry.name} in Production to monitor.",
            fix="Run `make pipeline`.",
        )
    run.set_lineage(lineage_of_version(champion, session.order))
    session.find_columns(run.lineage)
    run.tag(model_version=champion.version, input=name_rows(data) or "the service's log")
    if not run.reader.has(BASELINE, run_of_version(champion, BASELINE.step)):
        raise UnavailableError(
            f"Version {champion.version} has no baseline: it was evaluated by an earlier version of the library.",
            fix="Run `make pipeline`, or retrain.",
        )
    info = run.load(MODEL_INFO)
    features, target, version = info.features, session.recipe.target, str(champion.version)

    def opened(files: Sequence[Path | LogFile], place: str, since: float = 0.0) -> LiveData:
        if retrains:
            require_logged(session.recipe)
        known = read_late_labels(session, labels, info)
        lines, challenger = open_log(session, files, info, version, known, now, since), session.registry.holder(CHALLENGER)
        if challenger is not None:
            number = str(challenger.version)
            lines.shadow = ShadowRows(version, number, features, info.target.codes, session.recipe)
        return LiveData(champion, info, lines, known, place, target, challenger)

    if not data:
        own = find_own_log(session, now, since)
        yield opened(own.files, own.place, own.since)
        return
    with local_rows(session, data, "data") as paths:
        log = find_logs(paths)
        others = [file for path in paths for file in (find_beside(path, log) if path.is_dir() else {path} - {*log})]
        if log and others:
            other = others[0].relative_to(paths[0]) if others[0].is_relative_to(paths[0]) else others[0]
            raise DataError(
                f"data must be a folder of the service's log, or of tables: {name_rows(data)}.",
                got=f"a log and '{other}'",
                fix="Remove one of them, or begin its name with '_' to exclude it.",
            )
        if log:
            yield opened(log, name_rows(data))
            return
        if labels:
            raise UsageError(
                "labels apply to the rows of a log, and data is a table.",
                fix=f"Add the labels to the table as a column '{target}'.",
            )
        names = [feature.name for feature in features]
        opened_tables = open_tables(paths, names, data, session.recipe)
        tables = LiveTables(
            opened_tables,
            features,
            target,
            version,
            session.recipe.na,
            rule=rule_of_target(session.recipe, info),
            others=info.other_columns,
            ignores_others=session.recipe.other_columns == "ignore",
            codes=info.target.codes,
            filter=info.filter,
        )
        yield LiveData(champion, info, tables, None, name_rows(data), target)
