"""Seconds, peak memory and slopes of all steps on tables of up to 16 million rows.

Usage: make bench-scale [ARGS="data=wines.csv sizes=1600,16000000 steps=ingest,split model=hgb max_train_rows=100000"]

The rows are drawn from the data with replacement and jittered, so that nearly all are distinct, and written as Parquet. Each
step is a process of its own, against a new SQLite store for each size. The peak is that of one process, the largest of the
command; all its processes together count shared memory several times. The slope of a step is that of its seconds between the
two largest sizes, both on a logarithmic scale: 1 is a time proportional to the rows.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import yaml

from benchmarks.contenders import ROOT, inherited, last_line
from benchmarks.tables import new_table
from recipeline.config.recipe import Recipe, load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.sources import read_source
from recipeline.data.stored_rows import RowsWriter

SIZES = (1_600, 16_000, 160_000, 1_600_000, 16_000_000)
#: A step of the chain is `python -m steps.<name>`, the others are commands; in the order of their needs.
STEPS = ("ingest", "split", "train", "evaluate", "register", "promote", "predict", "monitor")
MEMORY_MIB, SLOPE = 2048, 1.05
#: Exit codes that are no failure: a gate that was not passed, and drift that was found.
_DONE = (0, 4, 5)
#: A number moves by so many standard deviations of its column.
_JITTER = 0.05
_CHUNK = 500_000
# A fork's peak memory is at first that of its parent: a small process stands between, and adds up the memory of all processes.
_STARTER = """
import json, os, sys, time
def tree(pid):
    found, todo = 0, [pid]
    while todo:
        at = todo.pop()
        try:
            with open(f"/proc/{at}/status") as file:
                found += next((int(line.split()[1]) for line in file if line.startswith("VmRSS")), 0)
            with open(f"/proc/{at}/task/{at}/children") as file:
                todo += map(int, file.read().split())
        except OSError:
            pass
    return found
start, most = time.perf_counter(), 0
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
while True:
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    if ended:
        break
    most = max(most, tree(pid))
    time.sleep(0.05)
cpu = usage.ru_utime + usage.ru_stime
found = {"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - start, "cpu": cpu}
open(sys.argv[1], "w").write(json.dumps({**found, "memory": usage.ru_maxrss / 1024, "together": most / 1024}))
"""


@dataclass(frozen=True)
class Done:
    """A command that ended: seconds, CPU seconds, peak MiB of one and all processes."""

    seconds: float
    cpu: float
    memory: float
    together: float


def run(command: list[str], log: Path) -> Done:
    """Return what `command` took; end the bench with its output where it fails."""
    usage = log.with_suffix(".usage")
    with log.open("wb") as file:
        starter = [sys.executable, "-I", "-S", "-c", _STARTER, str(usage), *command]
        subprocess.run(starter, cwd=ROOT, env=inherited(), stdout=file, stderr=file, check=True)
    found = json.loads(usage.read_text(encoding="utf-8"))
    if found.pop("code") not in _DONE:
        sys.exit(f"bench: {' '.join(command)} failed: {last_line(log.read_text(errors='replace'))}")
    return Done(**found)


def jitter(table: pd.DataFrame, recipe: Recipe, rng: np.random.Generator) -> pd.DataFrame:
    """Return a table with each number of a feature moved a little, within its limits."""
    moved = {}
    for name in recipe.features:
        column, values = recipe.columns[name], table[name]
        if column.type == "number":
            shifted = values.to_numpy(dtype=float) + rng.normal(0, _JITTER * float(values.std() or 0), len(values))
            moved[name] = np.clip(shifted, column.min, column.max) if (column.min, column.max) != (None, None) else shifted
    return table.assign(**moved)


def write_rows(table: pd.DataFrame, recipe: Recipe, path: Path, rows: int) -> None:
    """Write so many jittered rows of the table as Parquet, in pieces."""
    rng = np.random.default_rng(rows)
    with RowsWriter(path) as file:
        for start in range(0, rows, _CHUNK):
            drawn = table.iloc[rng.integers(len(table), size=min(_CHUNK, rows - start))]
            drawn.index = pd.RangeIndex(start, start + len(drawn))
            file.append(jitter(drawn, recipe, rng))


def write_profile(folder: Path, max_train_rows: int) -> Path:
    """Write a profile of a new store in the folder."""
    store = {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifact_location": f"{folder}/mlruns"}
    engine = {"max_train_rows": max_train_rows} if max_train_rows else {}
    profile = {"store": store, "data": str(folder / "rows.parquet"), "promote": "auto", "engine": engine}
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in profile.items() if value}), encoding="utf-8")
    return path


def command_of(step: str, profile: Path, model: str) -> list[str]:
    """Return the command line of a step, on the rows beside the profile."""
    rows = profile.with_name("rows.parquet")
    further = {
        "train": ["--model", model],
        "predict": ["--input", str(rows), "--output", str(profile.with_name("predicted.parquet"))],
        "monitor": ["--data", str(rows)],
    }
    module = ["recipeline", step] if step in ("predict", "monitor") else [f"steps.{step}"]
    return [sys.executable, "-m", *module, "--profile", str(profile), *further.get(step, [])]


def slope(results: dict[int, dict[str, Done]], step: str, which: str = "seconds") -> float:
    """Return the exponent of seconds between the two largest sizes; NaN of one size.

    `which` are they: `seconds`, or those of `cpu`, which other programs disturb less.
    """
    *_, few, many = (min(results), *sorted(results))
    ratio = getattr(results[many][step], which) / getattr(results[few][step], which)
    return math.log(ratio) / math.log(many / few) if many > few else math.nan


def tabulate(results: dict[int, dict[str, Done]]) -> str:
    """Return seconds, peaks and slopes; `of CPUs` is the slope of CPU seconds."""
    table = new_table(["step", "rows", "seconds", "slope", "CPUs", "of CPUs", "MiB", "in all"])
    for step in results[min(results)]:
        for size in sorted(results):
            it, is_last = results[size][step], size == max(results) > min(results)
            slopes = [f"{slope(results, step, which):.2f}" if is_last else "" for which in ("seconds", "cpu")]
            cells = [f"{it.seconds:.1f}", slopes[0], f"{it.cpu:.1f}", slopes[1], f"{it.memory:,.0f}", f"{it.together:,.0f}"]
            table.add_row([step, f"{size:,}", *cells], divider=is_last)
    return str(table.get_string())


def judge(results: dict[int, dict[str, Done]]) -> list[str]:
    """Return a sentence for each step: its largest peak and its slope."""
    sizes, sentences = sorted(results), []
    for step in results[sizes[0]]:
        memory = max(it[step].memory for it in results.values())
        words = [f"{step}: peak {memory:,.0f} MiB, target below {MEMORY_MIB:,}: {_met(memory < MEMORY_MIB)}"]
        if len(sizes) > 1:
            found = slope(results, step)
            words.append(f"slope {found:.2f}, target at most {SLOPE:g}: {_met(found <= SLOPE)}")
        sentences.append("; ".join(words))
    return sentences


def _met(is_met: bool) -> str:
    return "met" if is_met else "NOT MET"


def choose(word: str, known: tuple[str, ...]) -> list[str]:
    """Return the steps of a list with commas, in their order; all if it is empty."""
    named = [name for name in word.split(",") if name]
    if unknown := [name for name in named if name not in known]:
        sys.exit(f"bench: steps must be of {', '.join(known)}. Got {', '.join(unknown)} instead.")
    return [name for name in known if not named or name in named]


def measure(table: pd.DataFrame, recipe: Recipe, rows: int, steps: list[str], options: dict[str, str]) -> dict[str, Done]:
    """Return what each step took on so many rows."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.get("folder")) as name:
        folder = Path(name)
        write_rows(table, recipe, folder / "rows.parquet", rows)
        profile = write_profile(folder, int(options.get("max_train_rows", "100000")))
        for step in steps:
            found[step] = done = run(command_of(step, profile, options.get("model", "hgb")), folder / f"{step}.log")
            peaks = f"{done.memory:,.0f} MiB, {done.together:,.0f} MiB in all processes"
            _tell(f"  {step}: {done.seconds:.1f} s ({done.cpu:.1f} of CPUs), {peaks}")
    return found


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(options: dict[str, str]) -> None:
    """Measure each size and print a table."""
    sizes = [int(size) for size in options.get("sizes", ",".join(map(str, SIZES))).replace("_", "").split(",")]
    steps = choose(options.get("steps", ""), STEPS)
    recipe = load_recipe(ROOT / "recipe.yaml", os.environ)
    cache = Path(platformdirs.user_cache_dir("recipeline", appauthor=False))
    source = read_source(options.get("data", "auto"), recipe, folder=Path.cwd(), cache=cache)
    table = validate_table(source.open(recipe), recipe, origin=source.origin)
    print(f"data: {source.origin} [{source.kind}]; {os.cpu_count()} cores", flush=True)
    results = {}
    for size in sorted(sizes):
        _tell(f"{size:,} rows of {len(table.columns)} columns")
        results[size] = measure(table, recipe, size, steps, options)
    print(tabulate(results))
    print("\n".join(judge(results)))


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
