"""Batch prediction against `mlflow models predict` and plain pandas.

From CSV to CSV and from Parquet to Parquet, all columns are written beside the predictions; mlflow reads a CSV, and writes the
predictions alone.

Usage: make bench-batch [ARGS="data=wines.csv rows=1000000 rounds=3 models=lr,rf"]

Measured are seconds, rows/s, memory and ratios. The rows are drawn from the data, and all ways must predict the same. The
seconds are those of the whole command with its imports; the cost of a row is the additional time of many rows over a few.
Above a million rows only the project's own ways are measured.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet

from benchmarks.contenders import MODEL, ROOT, Place, inherited, last_line
from benchmarks.serving import tell, trained
from benchmarks.tables import new_table

OURS, PARQUET = "python -m recipeline predict, CSV", "python -m recipeline predict, Parquet"
MLFLOW, PANDAS = "mlflow models predict", "plain pandas"
MODELS = {"lr": "linear regression", "rf": "forest of 200 trees"}
#: What mlflow's way, from a CSV, must be slower by, for a row.
TARGETS = {"lr": {OURS: 2.0, PARQUET: 5.0}, "rf": {OURS: 1.6}}
MEMORY_MB = 1024
MOST_FOR_ALL = 1_000_000
#: Rows of the small file, which says what a command costs without them.
FEW = 1_000
_CHUNK = 500_000
#: So many bytes of the CSV are one group of the Parquet file; pandas writes a million rows to a group.
GROUP_BYTES = 1 << 26
# A fork's peak memory is at first that of its parent, which is this one: a small process stands between.
_STARTER = """
import json, os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
found = {"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - start, "memory": usage.ru_maxrss / 1024}
open(sys.argv[1], "w").write(json.dumps(found))
"""
_PANDAS = """
import sys, mlflow, pandas as pd
rows = pd.read_csv(sys.argv[1])
model = mlflow.sklearn.load_model(sys.argv[2])
rows.assign(prediction=model.predict(rows[list(model.feature_names_in_)])).to_csv(sys.argv[3], index=False)
"""


@dataclass(frozen=True)
class Done:
    """A successful command: seconds, and the peak memory of one of its processes, MiB."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Pair:
    """One round of one way: on all rows, and on FEW of them."""

    rows: int
    full: Done
    few: Done


def row_seconds(pairs: list[Pair]) -> float:
    """Return the seconds per row without the fixed cost of the command.

    They are of the medians of the rounds.
    """
    full, few = (statistics.median(getattr(pair, which).seconds for pair in pairs) for which in ("full", "few"))
    return float(full - few) / (pairs[0].rows - FEW)


def run(command: list[str], log: Path, **environment: str) -> Done:
    """Return what `command` took; end the bench with its output where it fails."""
    usage = log.with_suffix(".usage")
    with log.open("wb") as file:
        starter = [sys.executable, "-I", "-S", "-c", _STARTER, str(usage), *command]
        subprocess.run(starter, cwd=ROOT, env=inherited() | environment, stdout=file, stderr=file, check=True)
    found = json.loads(usage.read_text(encoding="utf-8"))
    if found["code"]:
        sys.exit(f"bench: {' '.join(command)} failed: {last_line(log.read_text(errors='replace'))}")
    return Done(found["seconds"], found["memory"])


def write_rows(table: pd.DataFrame, target: str, path: Path, rows: int) -> None:
    """Write so many rows of features, drawn from the table, as CSV."""
    rng, features = np.random.default_rng(0), table.drop(columns=target).astype(float)
    for start in range(0, rows, _CHUNK):
        places = rng.integers(len(features), size=min(_CHUNK, rows - start))
        features.iloc[places].to_csv(path, index=False, mode="a", header=start == 0)


def as_parquet(source: Path) -> None:
    """Write the rows of a CSV as Parquet beside it, in pieces."""
    with (
        pyarrow.csv.open_csv(source, pyarrow.csv.ReadOptions(block_size=GROUP_BYTES)) as rows,
        pyarrow.parquet.ParquetWriter(source.with_suffix(".parquet"), rows.schema) as file,
    ):
        for batch in rows:
            file.write_batch(batch)


def ways(place: Place, source: Path, outputs: dict[str, Path]) -> dict[str, Callable[[], Done]]:
    """Return each way to predict `source` (CSV or Parquet beside it) into its output."""
    log, store = place.folder / "command.log", {"MLFLOW_TRACKING_URI": place.tracking_uri}
    profile = ["--profile", str(place.profile)]

    def ours(source: Path, way: str) -> Callable[[], Done]:
        command = [
            sys.executable,
            "-m",
            "recipeline",
            "predict",
            *profile,
            "--input",
            str(source),
            "--output",
            str(outputs[way]),
        ]
        return lambda: run(command, log, **cache)

    theirs = ["mlflow", "models", "predict", "-m", MODEL, "-i", str(source), "-t", "csv", "-o", str(outputs[MLFLOW])]
    plain = [sys.executable, "-c", _PANDAS, str(source), str(place.model), str(outputs[PANDAS])]
    cache = {"XDG_CACHE_HOME": str(place.folder / "cache")}
    return {
        OURS: ours(source, OURS),
        PARQUET: ours(source.with_suffix(".parquet"), PARQUET),
        MLFLOW: lambda: run([*theirs, "--env-manager", "local"], log, **store),
        PANDAS: lambda: run(plain, log),
    }


def predictions(path: Path) -> np.ndarray:
    """Return the predictions of a table, or of `mlflow models predict`'s JSON."""
    if path.suffix == ".json":
        found = pd.read_json(path, orient="records") if path.read_bytes()[:1] == b"[" else _read_answer(path)
        return found.to_numpy(dtype=float).ravel()
    if path.suffix == ".parquet":
        return pd.read_parquet(path, columns=["prediction"])["prediction"].to_numpy()
    return pd.read_csv(path, usecols=["prediction"])["prediction"].to_numpy()


def _read_answer(path: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["predictions"])


def check(outputs: dict[str, Path]) -> None:
    """End the bench where two ways predict differently."""
    found = {name: predictions(path) for name, path in outputs.items()}
    first = found[OURS]
    for name, values in found.items():
        if values.shape != first.shape or not np.allclose(values, first, rtol=1e-5, atol=1e-5):
            sys.exit(f"bench: {name} predicts otherwise than {OURS}")


def measure(place: Place, table: pd.DataFrame, target: str, *, rows: int, rounds: int) -> dict[str, list[Pair]]:
    """Return what each way took in each round."""
    sources = {count: place.folder / f"rows{count}.csv" for count in (FEW, rows)}
    for count, source in sources.items():
        write_rows(table, target, source, count)
        as_parquet(source)
    names = {OURS: "ours.csv", PARQUET: "ours.parquet", MLFLOW: "mlflow.json", PANDAS: "pandas.csv"}
    outputs = {way: place.folder / name for way, name in names.items() if rows <= MOST_FOR_ALL or way in (OURS, PARQUET)}
    found: dict[str, list[Pair]] = {name: [] for name in outputs}
    for number in range(rounds):
        for name in outputs:
            few, full = (ways(place, sources[count], outputs)[name]() for count in (FEW, rows))
            found[name].append(Pair(rows, full, few))
            tell(f"  round {number + 1}: {name}: {full.seconds:.1f} s ({few.seconds:.1f} s for few), {full.memory:,.0f} MiB")
        if number == 0:
            check(outputs)
    return found


def faster(ours: list[Pair], theirs: list[Pair]) -> float:
    """Return how many times faster a row of ours is."""
    return row_seconds(theirs) / row_seconds(ours)


def tabulate(results: dict[str, dict[str, list[Pair]]]) -> str:
    """Return the medians of the rounds and the speed ratios per row."""
    table = new_table(["", "seconds", "for few rows", "rows/s", "peak MiB", "a row: of mlflow", "of pandas"])
    for alias, found in results.items():
        for name, pairs in found.items():
            full, few = (statistics.median(getattr(pair, which).seconds for pair in pairs) for which in ("full", "few"))
            speed = 1 / row_seconds(pairs)
            memory = max(pair.full.memory for pair in pairs)
            ratios = [f"{faster(pairs, found[other]):.2f}x" if other in found else "" for other in (MLFLOW, PANDAS)]
            cells = [f"{full:.1f}", f"{few:.1f}", f"{speed:,.0f}", f"{memory:,.0f}", *ratios]
            table.add_row([f"{MODELS[alias]}: {name}", *cells])
    return str(table.get_string())


def judge(results: dict[str, dict[str, list[Pair]]]) -> list[str]:
    """Return a sentence for each target: speed per row and memory.

    The speed is that against `mlflow models predict`.
    """
    sentences = []
    for alias, found in results.items():
        for way, target in TARGETS[alias].items() if MLFLOW in found else ():
            ratio = faster(found[way], found[MLFLOW])
            verdict = "met" if ratio >= target else "NOT MET"
            sentences.append(
                f"{MODELS[alias]}, {way}: a row is {ratio:.2f} times as fast as by mlflow, target {target:g}: {verdict}"
            )
        for way in (OURS, PARQUET):
            memory = max(pair.full.memory for pair in found[way])
            verdict = "met" if memory < MEMORY_MB else "NOT MET"
            sentences.append(f"{MODELS[alias]}, {way}: peak memory {memory:,.0f} MiB, target below {MEMORY_MB:,}: {verdict}")
    return sentences


def main(options: dict[str, str]) -> None:
    """Measure both models in rounds and print a table."""
    rows, rounds = int(options.get("rows", "1000000")), int(options.get("rounds", "3"))
    if rows <= FEW:
        sys.exit(f"bench: rows must be more than {FEW:,}. Got {rows:,} instead.")
    results = {}
    for alias in options.get("models", ",".join(MODELS)).split(","):
        tell(f"{MODELS[alias]}, {rows:,} rows")
        with trained(options.get("data", "auto"), "", model=alias) as (place, table):
            results[alias] = measure(place, table, table.columns[-1], rows=rows, rounds=rounds)
    print(f"{rows:,} rows, {rounds} rounds")
    print(tabulate(results))
    print("\n".join(judge(results)))


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
