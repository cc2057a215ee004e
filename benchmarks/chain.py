"""The chain against a textbook script on the same machine: seconds and ratios.

Usage: make bench [ARGS="data=wines.csv rounds=3"]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import platformdirs

from benchmarks.tables import new_table
from recipeline.config.recipe import load_recipe
from recipeline.data.origin.sources import read_source

ROOT = Path(__file__).resolve().parents[1]
FIVE = "lr,dt,rf,en,pca"
BASE = "textbook script, five models"
COLD, BARE = "chain, all candidates, cold", "chain, all candidates, cold, without cards"
SAME, CACHED = "chain, the same five, cold", "chain, all candidates, all cached"
#: How much of the textbook script's time each may take.
TARGETS = {SAME: 0.33, COLD: 0.47, CACHED: 0.09}
#: All cards of a cold chain may take so much of the time that it takes without.
CARDS = 0.2
# The chain as it would be if no card were drawn or diagnosis made; what else only cards show takes less than 0.2 s.
_WITHOUT_CARDS = """
import types, recipeline.cli.environment, recipeline.evaluation.diagnosis, recipeline.evaluation.model_card
import recipeline.evaluation.results
nothing = types.SimpleNamespace(html="", plots={}, failures=[], as_markdown=lambda: "none", as_description=lambda *_: "none")
recipeline.cli.environment.plan_card = lambda *_: (lambda: nothing, ())
recipeline.evaluation.model_card.write_model_card = lambda *_: nothing
recipeline.evaluation.diagnosis.diagnose = lambda *_: recipeline.evaluation.results.Diagnosis((), (), (), (), ())
from steps.main import main
main()
"""


def run(command: list[str], *, cwd: Path = ROOT, **environment: str) -> float:
    """Return the seconds of `command`; end the bench with its output if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env={**_inherited(), **environment}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return seconds


def _inherited() -> dict[str, str]:
    """Return the environment without the user's own store and run."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}


class Bench:
    """One round's commands; each store is a new folder."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        self.python = sys.executable
        self.mlflow = str(Path(sys.executable).with_name("mlflow"))
        self._stores = 0

    def new_store(self) -> Path:
        """Return a new, empty folder for a store."""
        self._stores += 1
        store = self.folder / f"store{self._stores}"
        store.mkdir()
        return store

    def textbook(self, *options: str) -> float:
        """Run the textbook script; return its seconds."""
        return run([self.python, "benchmarks/textbook.py", str(self.data), str(self.new_store()), *options])

    def chain(self, store: Path, model: str = "all", *, cards: bool = True) -> float:
        """Run the chain as `make pipeline` does, or without cards; return its seconds."""
        profile = store / "bench.yaml"
        profile.write_text(
            f"store: {{tracking_uri: 'sqlite:///{store}/mlflow.db', artifact_location: '{store}/mlruns'}}\n"
            f"data: '{self.data}'\n",
            encoding="utf-8",
        )
        program = ["-m", "steps.main"] if cards else ["-c", _WITHOUT_CARDS]
        return run([self.python, *program, "--profile", str(profile), "--model", model])

    def mlflow_run(self, store: Path) -> float:
        """Run the chain under `mlflow run` in this environment; return its seconds."""
        return run(
            [self.mlflow, "run", str(ROOT), "--env-manager", "local", "-P", f"data={self.data}"],
            cwd=store,  # where MLflow puts the artifacts of its default experiment: in `mlruns`
            MLFLOW_TRACKING_URI=f"sqlite:///{store}/mlflow.db",
            PATH=f"{Path(self.python).parent}:{os.environ['PATH']}",
        )

    def clone_to_answer(self) -> float:
        """Return the seconds from `git clone` to the first prediction.

        They include the environment and the chain.
        """
        clone = self.folder / "clone"
        start = time.perf_counter()
        run(["git", "clone", "--quiet", str(ROOT), str(clone)])
        run(["make", "-C", str(clone), "pipeline", f"ARGS=data={self.data}"], MAKEFLAGS="")
        code = (
            "import mlflow, pandas as pd; m = mlflow.pyfunc.load_model('models:/WineQualityBestModel/Production'); "
            "print(m.predict(m.input_example))"
        )
        run([str(clone / ".venv/bin/python"), "-c", code], MLFLOW_TRACKING_URI=f"sqlite:///{clone}/mlflow.db")
        seconds = time.perf_counter() - start
        shutil.rmtree(clone)
        return seconds


def main(options: dict[str, str]) -> None:
    """Measure all commands in turn in each round; print medians and ratios."""
    rounds = int(options.get("rounds", "3"))
    source = read_source(
        options.get("data", "auto"),
        load_recipe(ROOT / "recipe.yaml", os.environ),
        folder=Path.cwd(),
        cache=Path(platformdirs.user_cache_dir("recipeline", appauthor=False)),
    )
    print(f"data: {source.origin} [{source.kind}]; {os.cpu_count()} cores; {rounds} rounds", flush=True)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.csv"
        shutil.copyfile(source.files[0].path, data)
        bench = Bench(folder, data)
        for round_ in range(rounds):
            nine, under = bench.new_store(), bench.new_store()
            measures: dict[str, Callable[[], float]] = {
                BASE: bench.textbook,
                "textbook script, requirements pinned": lambda: bench.textbook("--pinned"),
                "chain, the same five, cold, without cards": lambda: bench.chain(bench.new_store(), FIVE, cards=False),
                SAME: lambda: bench.chain(bench.new_store(), FIVE),
                BARE: lambda: bench.chain(bench.new_store(), cards=False),
                COLD: partial(bench.chain, nine),
                CACHED: partial(bench.chain, nine),
                "mlflow run, all candidates, cold": partial(bench.mlflow_run, under),
                "mlflow run, all candidates, all cached": partial(bench.mlflow_run, under),
            }
            if round_ == 0:
                measures["git clone to the first answer"] = bench.clone_to_answer
            for label, measure in measures.items():
                seconds.setdefault(label, []).append(measure())
                print(f"  round {round_ + 1}: {label}: {seconds[label][-1]:.1f} s", file=sys.stderr, flush=True)
    print(tabulate(seconds))
    print("\n".join(judge(seconds)))


def judge(seconds: dict[str, list[float]]) -> list[str]:
    """Return a sentence for each target, and what came of it."""
    found = [
        (f"{label}: {{:.2f}} of the textbook script, target at most {target:.2f}", ratio(seconds[label], seconds[BASE]), target)
        for label, target in TARGETS.items()
    ]
    added = ratio(seconds[COLD], seconds[BARE]) - 1
    found.append((f"all cards of a cold chain add {{:.1%}} to its time, target at most {CARDS:.0%}", added, CARDS))
    return [f"{sentence.format(value)}: {'met' if value <= target else 'NOT MET'}" for sentence, value, target in found]


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios; the last of ours may be missing."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=False))


def tabulate(seconds: dict[str, list[float]]) -> str:
    """Return median seconds, and the median ratios to both textbook scripts."""
    table = new_table(["", "seconds", "of textbook", "of textbook, pinned"])
    peers = (seconds[BASE], seconds["textbook script, requirements pinned"])
    for label, values in seconds.items():
        ratios = [f"{ratio(values, peer):.2f}" for peer in peers]
        table.add_row([label, f"{statistics.median(values):.1f}", *ratios])
    return str(table.get_string())


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
