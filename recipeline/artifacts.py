"""Artifacts of the steps: name, writing step and format.

pandas is imported where a table is read or written: a command that shows its help needs none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recipeline.inference.trust import read_skops

if TYPE_CHECKING:
    import pandas as pd

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


def write_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_text(value: str, path: Path) -> None:
    path.write_text(value, encoding="utf-8")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _json(step: str, name: str) -> Artifact[dict[str, Any]]:
    return Artifact(step, name, write_json, read_json)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _parquet(step: str, name: str) -> Artifact[pd.DataFrame]:
    return Artifact(step, name, lambda frame, path: frame.to_parquet(path), _read_parquet)


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path, keep_default_na=False, na_values=[""])  # a candidate may be called NA


def _csv(step: str, name: str) -> Artifact[pd.DataFrame]:
    return Artifact(step, name, lambda frame, path: frame.to_csv(path, index=False), _read_csv)


def _write_bytes(value: bytes, path: Path) -> None:
    path.write_bytes(value)


def _write_skops(value: Any, path: Path) -> None:
    import skops.io

    skops.io.dump(value, path)


def plot(name: str) -> Artifact[bytes]:
    """Return the artifact of a card's plot, a PNG."""
    return Artifact("*", f"plots/{name}.png", _write_bytes, Path.read_bytes, is_result=False)


DATASET = _parquet("ingest", "dataset.parquet")

COLUMN_PROFILE = _json("ingest", "column_profile.json")

VIOLATIONS = _csv("ingest", "violations.csv")

TRAIN = _parquet("split", "train.parquet")

TEST = _parquet("split", "test.parquet")

LEAK_AUDIT = _json("split", "leak_audit.json")

LEADERBOARD = _csv("train", "leaderboard.csv")

OUT_OF_FOLD = _parquet("train", "out_of_fold.parquet")

VERDICT = _json("evaluate", "verdict.json")

METRICS = _json("evaluate", "metrics.json")

#: The test rows' target, what each candidate predicts of them, and the limits around the best one's predictions.
TEST_PREDICTIONS = _parquet("evaluate", "test_predictions.parquet")

#: Where and why the best model errs (`recipeline.evaluation.diagnosis`).
DIAGNOSIS = _json("evaluate", "diagnosis.json")

GOLDEN = _parquet("evaluate", "golden.parquet")

MODEL_INFO = _json("evaluate", "model_info.json")

#: The two models of the interval's tails, where it has some (`recipeline.training.quantiles`).
INTERVAL = Artifact[tuple[Any, Any]]("evaluate", "interval.skops", _write_skops, read_skops)

#: What later rows are compared with (`recipeline.monitoring.baseline`): how rows are spread; and rows, with predictions.
BASELINE = _json("evaluate", "baseline.json")

BASELINE_ROWS = _parquet("evaluate", "baseline_rows.parquet")

VERSION = _json("register", "version.json")

#: The model card (`recipeline.evaluation.model_card`) as Markdown, as the version's description has it.
MODEL_CARD = Artifact[str]("register", "model_card.md", _write_text, _read_text)

#: The hashes of the rows that the version learned from (`recipeline.data.grouping.row_groups`), each once.
TRAINING_ROWS = _parquet("register", "training_rows.parquet")

DECISION = _json("promote", "decision.json")

#: Of report: what takes longer than the chain (`recipeline.evaluation.inspection`).
INSPECTION = _json("report", "inspection.json")

#: Of monitor: what is different about each window of rows (`recipeline.monitoring.drift`), the newest last.
DRIFT_REPORT = _json("monitor", "drift.json")

#: Of retrain: the rows of the model in Production, and those that were added.
TRAINING_DATA = _parquet("retrain", "training_data.parquet")

#: Of every step, and of the chain: the page that people open. A step that failed has one too.
CARD = Artifact[str]("*", "card.html", _write_text, _read_text, is_result=False)

#: Of a command that changed Production: the ledger's entry.
CHANGE = _json("*", "change.json")

#: Of every step: what its result depends on.
FINGERPRINT = _json("*", "fingerprint.json")
