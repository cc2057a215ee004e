"""Artifacts of the steps: name, writing step and format.

pandas is imported where a table is read or written: a command that shows its help needs none.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recipeline.data.stored_rows import RowsWriter, StoredRows
from recipeline.inference._compat import import_skops
from recipeline.inference.trust import read_skops
from recipeline.records import read_record, to_plain

if TYPE_CHECKING:
    import pandas as pd

    from recipeline.data.results import ColumnProfile, LeakAudit
    from recipeline.evaluation.results import Diagnosis, Inspection, Metrics, RegisteredVersion, Verdict
    from recipeline.inference.model_info import ModelInfo
    from recipeline.monitoring.results import Baseline, DriftReport
    from recipeline.promotion.results import RecordedDecision
    from recipeline.registry.results import Entry
    from recipeline.tracking.results import Recorded

#: The order of the chain; each step reads what the one before it wrote.
ORDER = ("ingest", "split", "train", "evaluate", "register", "promote")

T = TypeVar("T")


@dataclass(frozen=True)
class Artifact(Generic[T]):
    """A file of a step's run: its name, the step that writes it, its format.

    Cards and plots are no results and are not in the manifest: a run is complete without them.
    """

    step: str
    name: str
    write: Callable[[T, Path], None]
    read: Callable[[Path], T]
    is_result: bool = True
    type: str = ""


def write_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_text(value: str, path: Path) -> None:
    path.write_text(value, encoding="utf-8")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def type_of(artifact: Artifact[Any]) -> type[Any]:
    """Return the type of the record that a JSON artifact is read as."""
    module, _, name = artifact.type.rpartition(".")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _record(step: str, name: str, type_: str) -> Artifact[Any]:
    """Return the artifact of a record: what `recipeline.records` makes of it, as JSON."""

    def write(value: Any, path: Path) -> None:
        write_json(to_plain(value), path)

    def read(path: Path) -> Any:
        return read_record(type_of(artifact), read_json(path))

    artifact: Artifact[Any] = Artifact(step, name, write, read, type=type_)
    return artifact


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


class Rows(Artifact["pd.DataFrame"]):
    """A table of rows as a Parquet file, which may be read and written in batches."""

    def open(self, path: Path, folder: object = None) -> StoredRows:
        """Return the rows of a file without reading them.

        `folder` is an object that keeps a temporary file alive.
        """
        return StoredRows(path, folder)

    def write_batches(self, frames: Iterable[pd.DataFrame], path: Path) -> None:
        """Write frames, one below the other, as one table."""
        with RowsWriter(path) as file:
            for frame in frames:
                file.append(frame)


def _parquet(step: str, name: str) -> Rows:
    return Rows(step, name, lambda frame, path: frame.to_parquet(path), _read_parquet)


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path, keep_default_na=False, na_values=[""])  # a candidate may be called NA


def _csv(step: str, name: str) -> Artifact[pd.DataFrame]:
    return Artifact(step, name, lambda frame, path: frame.to_csv(path, index=False), _read_csv)


def _write_bytes(value: bytes, path: Path) -> None:
    path.write_bytes(value)


def _write_skops(value: Any, path: Path) -> None:
    import_skops().dump(value, path)


def plot(name: str) -> Artifact[bytes]:
    """Return the artifact of a card's plot, a PNG."""
    return Artifact("*", f"plots/{name}.png", _write_bytes, Path.read_bytes, is_result=False)


#: The rows that the checks let through, with the columns of the recipe.
DATASET = _parquet("ingest", "dataset.parquet")

COLUMN_PROFILE: Artifact[ColumnProfile] = _record("ingest", "column_profile.json", "recipeline.data.results.ColumnProfile")

#: Of a run that failed: every fault of the rows, with row, column, rule and value.
VIOLATIONS = _csv("ingest", "violations.csv")

#: The training rows.
TRAIN = _parquet("split", "train.parquet")

#: The test rows.
TEST = _parquet("split", "test.parquet")

LEAK_AUDIT: Artifact[LeakAudit] = _record("split", "leak_audit.json", "recipeline.data.results.LeakAudit")

#: The training rows that candidates were fitted to, where the profile limits them; without it these are all.
FITTED = _parquet("train", "fitted_rows.parquet")

#: The candidates, the best one first, with their scores over the folds, and their runs.
LEADERBOARD = _csv("train", "leaderboard.csv")

#: The training rows' target, and what each candidate predicts of a row that its fold left out.
OUT_OF_FOLD = _parquet("train", "out_of_fold.parquet")

VERDICT: Artifact[Verdict] = _record("evaluate", "verdict.json", "recipeline.evaluation.results.Verdict")

METRICS: Artifact[Metrics] = _record("evaluate", "metrics.json", "recipeline.evaluation.results.Metrics")

#: The test rows' target, what each candidate predicts of them, and the limits around the best one's predictions.
TEST_PREDICTIONS = _parquet("evaluate", "test_predictions.parquet")

#: Where and why the best model errs (`recipeline.evaluation.diagnosis`).
DIAGNOSIS: Artifact[Diagnosis] = _record("evaluate", "diagnosis.json", "recipeline.evaluation.results.Diagnosis")

#: Rows with the answers of the best model, which every loaded copy of it must give.
GOLDEN = _parquet("evaluate", "golden.parquet")

MODEL_INFO: Artifact[ModelInfo] = _record("evaluate", "model_info.json", "recipeline.inference.model_info.ModelInfo")

#: The two models of the interval's tails, where it has some (`recipeline.training.quantiles`).
INTERVAL = Artifact[tuple[Any, Any]]("evaluate", "interval.skops", _write_skops, read_skops)

#: The reference for later rows (`recipeline.monitoring.baseline`): distributions of features, predictions and errors.
BASELINE: Artifact[Baseline] = _record("evaluate", "baseline.json", "recipeline.monitoring.results.Baseline")

#: Training rows with their out-of-fold predictions, which live rows are compared with.
BASELINE_ROWS = _parquet("evaluate", "baseline_rows.parquet")

VERSION: Artifact[RegisteredVersion] = _record("register", "version.json", "recipeline.evaluation.results.RegisteredVersion")

#: The model card (`recipeline.evaluation.model_card`) as Markdown, as the version's description has it.
MODEL_CARD = Artifact[str]("register", "model_card.md", _write_text, _read_text)

#: The hashes of the rows that the version learned from (`recipeline.data.relating.grouping.row_groups`), each once.
TRAINING_ROWS = _parquet("register", "training_rows.parquet")

DECISION: Artifact[RecordedDecision] = _record("promote", "decision.json", "recipeline.promotion.results.RecordedDecision")

#: By report: the inspection, which takes longer than the chain (`recipeline.evaluation.inspection`).
INSPECTION: Artifact[Inspection] = _record("report", "inspection.json", "recipeline.evaluation.results.Inspection")

#: By monitor: the drift of each window of rows (`recipeline.monitoring.drift`), the newest last.
DRIFT_REPORT: Artifact[DriftReport] = _record("monitor", "drift.json", "recipeline.monitoring.results.DriftReport")

#: By retrain: the rows of the model in Production, and those that were added.
TRAINING_DATA = _parquet("retrain", "training_data.parquet")

#: The keys of the service's requests whose rows were added, where the new rows name them.
ADDED_REQUESTS = _parquet("retrain", "added_requests.parquet")

#: By every step, and by the chain: the page that people open. A step that failed has one too.
CARD = Artifact[str]("*", "card.html", _write_text, _read_text, is_result=False)

#: By a command that changed Production: the ledger's entry.
CHANGE: Artifact[Entry] = _record("*", "change.json", "recipeline.registry.results.Entry")

#: By every step: the inputs that its result depends on.
FINGERPRINT: Artifact[Recorded] = _record("*", "fingerprint.json", "recipeline.tracking.results.Recorded")
