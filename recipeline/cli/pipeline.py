"""The whole chain as one command: its run, its card and its summary."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recipeline.artifacts import COLUMN_PROFILE, DECISION, LEAK_AUDIT, METRICS, ORDER, VERDICT, VERSION, Artifact, T
from recipeline.cli.cards import card_of, describe_side
from recipeline.cli.options import make_line
from recipeline.cli.output.results import BestCandidate, ChainStep, ChainValues, ChainVersion, Rows
from recipeline.config.table import SYNTHETIC
from recipeline.data.origin.uris import redact
from recipeline.errors import RecipelineError
from recipeline.evaluation.gates import failures
from recipeline.metrics.catalogue import skill_of
from recipeline.orchestration.cards import draw_card, page_of
from recipeline.orchestration.chain import Chain, run_chain
from recipeline.orchestration.provenance import differing_components
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import ALWAYS
from recipeline.registry.decision import gains_of
from recipeline.registry.stages import CHAMPION
from recipeline.reports.summary import describe_decision, explain_cache, explain_evidence, explain_split, tabulate_candidates
from recipeline.tracking.artifacts.kept_reader import KeptReader
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.patience import parting
from recipeline.tracking.connection.sqlite import path_of
from recipeline.tracking.lineage import lineage_of_chain
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import RunTags, bare

if TYPE_CHECKING:
    from recipeline.evaluation.results import Metrics
    from recipeline.reports.cards.main import ChainSummary


#: Steps whose pictures the card of the chain shows.
_TOLD = ("train", "evaluate", "promote")

#: Tags that describe the rows.
_DATA_TAGS = (RunTags.DATA_ORIGIN, RunTags.DATA_DIGEST, RunTags.DATA_SOURCE)


def name_params(*, data: str, split: str = "", model: str = "", promote: str = "") -> dict[str, dict[str, str]]:
    """Return the parameters of the chain by step."""
    return {
        "ingest": {"data": data},
        "split": {"method": split},
        "train": {"model": model},
        "promote": {"promote": promote},
    }


def run_pipeline(
    session: Session, params: Mapping[str, Mapping[str, str]], *, use_cache: bool, nested_in: str | None = None
) -> tuple[StepRun, str]:
    """Run the chain in a run of `main`; return that run, closed, and the summary."""
    chain, reader = Chain(), KeptReader(session.reader)
    with store_errors(session.store.uri):
        before = _last_chain(session)
    with session.open_run("main", nested_in=nested_in) as run:
        try:
            run_chain(session, ORDER, params, chain, nested_in=run.id, use_cache=use_cache)
        except Exception as error:
            describe = partial(_describe_chain, session, reader, chain, before, error)
            with suppress(Exception), parting(error, session.store.uri):
                draw_card(session, run, "main", describe, steps=_runs_of(chain))
            raise
        ingest = session.runs.get(chain.lineage["ingest"])
        source = ingest.data.tags
        run.log_inputs(ingest.inputs.dataset_inputs)
        run.tag(
            **{f"{step}_run_id": run_id for step, run_id in chain.lineage.items()},
            data_source=source[RunTags.DATA_SOURCE],
            data_digest=source[RunTags.DATA_DIGEST],
        )
        if chain.last:
            run.outcome, run.exit_code = chain.last.outcome, chain.last.exit_code
        _name_run(reader, chain, run, source)
        describe = partial(_describe_chain, session, reader, chain, before)
        draw_card(session, run, "main", describe, steps=_runs_of(chain), version=_version_of(chain))
        warnings = [f"\nWarning: {text}" for text in _card_failures({**chain.opened, "main": run})]
        card = card_of(session, run.id)
        summary = f"{_summarise(session, reader, chain, source)}\n{''.join(warnings)}\nThe card: {card}"
        run.values = _as_values(reader, {**chain.opened, "main": run}, chain, source, card)
    return run, summary


def _as_values(
    reader: KeptReader, opened: Mapping[str, StepRun], chain: Chain, source: Mapping[str, str], card: str
) -> ChainValues:
    """Return the chain for ``--json``."""
    ids = chain.lineage
    metrics, verdict = reader.load(METRICS, ids["evaluate"]), reader.load(VERDICT, ids["evaluate"])
    version = reader.load(VERSION, ids["register"]) if "promote" in ids else None
    times = {step: ended - begun for step, (begun, ended) in chain.seconds.items()}
    return ChainValues(
        steps=tuple(
            ChainStep(
                step,
                run_id,
                cached=step in chain.reused,
                why="" if step in chain.reused else chain.reasons.get(step, ALWAYS),
                outcome="cached" if step in chain.reused else chain.opened[step].outcome,
                seconds=times.get(step, 0.0),
            )
            for step, run_id in ids.items()
        ),
        data=Rows(source[RunTags.DATA_SOURCE], source[RunTags.DATA_ORIGIN], source[RunTags.DATA_DIGEST]),
        best=BestCandidate(
            metrics.best.candidate,
            verdict.run_id,
            verdict.verdict,
            metrics.scores,
            metrics.best.interval_95,
            tuple(failures(verdict)),
        ),
        version=ChainVersion(version.name, version.version, version.new) if version else None,
        decision=reader.load(DECISION, ids["promote"]) if "promote" in ids else None,
        card=card,
        warnings=tuple(_card_failures(opened)),
    )


def _name_run(reader: KeptReader, chain: Chain, run: StepRun, tags: Mapping[str, str]) -> None:
    """Set the name, the note and the columns of the chain's run in MLflow."""
    ids = chain.lineage
    metrics, verdict = reader.load(METRICS, ids["evaluate"]), reader.load(VERDICT, ids["evaluate"])
    best = metrics.best
    decision = reader.load(DECISION, ids["promote"]) if "promote" in ids else None
    origin = tags[RunTags.DATA_ORIGIN].rstrip("/").rpartition("/")[2]
    came_to = f"v{decision.version} {decision.outcome}" if decision else "rejected"
    run.show(
        params={
            "data_source": tags[RunTags.DATA_SOURCE],
            "data_digest": tags[RunTags.DATA_DIGEST][:12],
            "data_origin": tags[RunTags.DATA_ORIGIN],
            "split_method": reader.load(LEAK_AUDIT, ids["split"]).method,
            "candidates": ", ".join(metrics.candidates),
            "best_candidate": best.candidate,
            "verdict": verdict.verdict,
            **({"model_version": decision.version, "decision_rule": decision.rule} if decision else {}),
        },
        metrics={
            "rows": reader.load(COLUMN_PROFILE, ids["ingest"]).rows,
            "test_rows": metrics.test_rows,
            "seconds": max((ended for _, ended in chain.seconds.values()), default=0.0),
            **{f"best.{name}": value for name, value in metrics.scores.items()},
            **(gains_of(decision.evidence) if decision else {}),
        },
        title=f"main · {origin} · {came_to}",
        note=decision.reason if decision else "\n".join(failures(verdict)),
    )


def _last_chain(session: Session) -> dict[str, str]:
    """Return the run IDs of the last finished chain's steps; empty without one."""
    chains = session.history.newest("main")
    return lineage_of_chain(chains[0], ORDER) if chains else {}


def _describe_chain(
    session: Session,
    reader: KeptReader,
    chain: Chain,
    before: dict[str, str],
    error: Exception | None = None,
) -> ChainSummary:
    """Return the chain's results for its card."""
    from recipeline.reports.cards.compare import Comparison
    from recipeline.reports.cards.main import ChainSummary, StepSummary

    ids = chain.lineage
    steps = []
    for step, run_id in _runs_of(chain).items():
        begun, ended = chain.seconds.get(step, (0.0, 0.0))
        outcome = chain.opened[step].outcome if step in ids and step in chain.opened else "failed" if step not in ids else "ok"
        why = chain.reasons.get(step, ALWAYS if step not in chain.reused else "")
        steps.append(StepSummary(step, run_id, step in chain.reused, why, begun, ended - begun, outcome))
    tags = _tags(session, ids["ingest"]) if "ingest" in ids else {}

    def found(artifact: Artifact[T], step: str) -> T | None:
        return reader.load(artifact, ids[artifact.step]) if step in ids else None

    since = None
    if before.get("evaluate") and "evaluate" in ids:
        with suppress(RecipelineError):  # the last run may be there in parts only; this one is none the worse for it
            last, now = (describe_side(session, *it, reader) for it in (("the last run", before), ("this run", ids)))
            since = Comparison(last, now, differing_components(session, before, ids))
    return ChainSummary(
        session.recipe.name,
        session.profile_name,
        {bare(tag).removeprefix("data_"): tags[tag] for tag in _DATA_TAGS if tag in tags},
        steps,
        metrics=found(METRICS, "evaluate"),
        verdict=found(VERDICT, "evaluate"),
        version=found(VERSION, "promote"),
        decision=found(DECISION, "promote"),
        since=since,
        pages={step: page_of(session, ids[step]) for step in _TOLD if step in ids},
        started=chain.started,
        error=(error.sentence if isinstance(error, RecipelineError) else f"{type(error).__name__}: {error}") if error else "",
        warnings=_card_failures(chain.opened),
    )


def _runs_of(chain: Chain) -> dict[str, str]:
    """Return the run ID of each step, also of one that failed."""
    return {**chain.lineage, **{step: opened.id for step, opened in chain.opened.items()}}


def _version_of(chain: Chain) -> str:
    """Return the version that the chain registered or found; empty without one."""
    return chain.opened["register"].own_tag("model_version") if "register" in chain.opened else ""


def _card_failures(opened: Mapping[str, StepRun]) -> list[str]:
    """Return the errors of drawing cards, one per step."""
    return [f"{step}: {text}" for step, run in opened.items() if (text := run.own_tag("card_failures"))]


def _tags(session: Session, run_id: str) -> Mapping[str, str]:
    tags: Mapping[str, str] = session.runs.get(run_id).data.tags
    return tags


def _summarise(session: Session, reader: KeptReader, chain: Chain, source: Mapping[str, str]) -> str:
    """Return the results, the reused steps and the next commands as text."""
    ids = chain.lineage
    metrics, audit = reader.load(METRICS, ids["evaluate"]), reader.load(LEAK_AUDIT, ids["split"])
    lines = [
        f"Data: {source[RunTags.DATA_ORIGIN]} [{source[RunTags.DATA_SOURCE]}, sha256 {source[RunTags.DATA_DIGEST][:12]}]",
        *(
            ["SYNTHETIC rows: the scores below do not apply to real rows. Name a file with data=PATH."]
            if source[RunTags.DATA_SOURCE] == SYNTHETIC
            else []
        ),
        tabulate_candidates(metrics),
        *explain_split(audit, metrics),
        "",
        _best(metrics),
        *(f"  {line}" for line in describe_decision(metrics.best)),
        *_registration(session, reader, chain),
        "",
        *explain_cache(chain.reused, chain.reasons),
        "",
        *_next(session, reader, chain),
    ]
    return "\n".join(lines)


def _best(metrics: Metrics) -> str:
    best = metrics.best
    within = "".join(f", {share:.1%} within {tolerance}" for tolerance, share in best.accuracy_within.items())
    skill, most = skill_of(metrics.task), "highest" if metrics.is_greatest_best else "lowest"
    low, high = best.interval_95[skill.name]
    return (
        f"Best model: {best.candidate} ({most} CV {metrics.cv_title} mean); "
        f"test {skill.label} {metrics.scores[skill.name]:.4f}, "
        f"95 % interval {low:.3f} to {high:.3f}{within.replace(', ', '; ', 1)}."
    )


def _registration(session: Session, reader: KeptReader, chain: Chain) -> list[str]:
    ids, name = chain.lineage, session.registry.name
    if "promote" not in ids:
        verdict = reader.load(VERDICT, ids["evaluate"])
        return [
            "Rejected: the best model fails the recipe's gates and is not registered.",
            *(f"  {line}" for line in failures(verdict)),
        ]
    version, decision = reader.load(VERSION, ids["register"]), reader.load(DECISION, ids["promote"])
    made = "" if version.new else ", which existed already"
    return [
        f"Registered: {name} version {version.version}{made}.",
        f"Promotion: {decision.outcome} ({decision.rule}): {decision.reason}.",
        *explain_evidence(decision.evidence, session.recipe.task),
    ]


def _next(session: Session, reader: KeptReader, chain: Chain) -> list[str]:
    if "promote" not in chain.lineage:
        return ["Next: improve the candidates or the data, or change the gates in the recipe."]
    decision = reader.load(DECISION, chain.lineage["promote"])
    # Under make, mlflow is in .venv and not on PATH. Its server takes its own programs from PATH.
    tools = Path(sys.executable).parent
    mlflow, activate = "mlflow", ""
    if not shutil.which("mlflow"):
        mlflow, activate = (shlex.quote(os.path.relpath(tools / name)) for name in ("mlflow", "activate"))
        activate = f". {activate}\n    "
    at_store = ""
    if path_of(session.store.uri) != Path.cwd() / "mlflow.db":  # what a bare mlflow would look at
        at_store = f"MLFLOW_TRACKING_URI={shlex.quote(redact(session.store.uri))} \\\n      "
    uri, page = redact(session.store.uri), f"/#/experiments/{session.experiment_id}/runs?workflowType=machine_learning"
    if uri.startswith(("http:", "https:")):
        offers = {f"{uri.rstrip('/')}{page}": "the runs"}
    else:
        offers = {f"{at_store}{mlflow} ui": "the runs, in a browser", f"http://127.0.0.1:5000{page}": "the page of the runs"}
    has_champion = decision.promoted or session.registry.holder(CHAMPION) is not None
    if decision.passed and not decision.promoted:
        offers[make_line("approve")] = f"promote version {decision.version} to Production"
    elif not has_champion:
        offers[make_line("promote", promote="always")] = f"promote version {decision.version} although the gate keeps it back"
    if has_champion:
        offers[make_line("why")] = "which version is in Production, and why"
        offers[make_line("serve")] = "the REST service, with a page at http://127.0.0.1:8000/playground"
        model = shlex.quote(f"models:/{session.registry.name}/Production")
        # On another port than `mlflow ui`, whose default is the same.
        served = f"{activate}{at_store}mlflow models serve --env-manager local --port 5001 \\\n      -m {model}"
        offers[served] = "the model behind MLflow's own server"
    return ["Next:", *(line for command, what in offers.items() for line in (f"  {what}:", f"    {command}"))]
