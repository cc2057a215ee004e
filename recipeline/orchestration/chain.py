"""Running steps: one with its missing upstream steps, or the whole chain."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from recipeline.artifacts import FINGERPRINT
from recipeline.data.origin.uris import redact
from recipeline.errors import UsageError
from recipeline.orchestration.cache import CACHED, find_reusable
from recipeline.orchestration.cards import LateCards, StepResults, begin_card, draw_card, drawing_later
from recipeline.orchestration.fingerprints import CONTENT, RESULT, differences, fingerprint
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import ALWAYS, Params
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.lineage import lineage_of, recorded
from recipeline.tracking.results import Recorded
from recipeline.tracking.runs import StepRun


@dataclass
class Chain:
    """The progress of a chain: run IDs, reused steps, reasons, times.

    `last` is the last run opened. `opened` has the run of each step that was started, also of one that failed; `seconds` has
    the start and end of each, counted from the start of the chain, and `started` is that of the clock.
    """

    lineage: dict[str, str] = field(default_factory=dict)
    reused: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    last: StepRun | None = None
    opened: dict[str, StepRun] = field(default_factory=dict)
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    started: float = field(default_factory=time.time)


def run_chain(
    session: Session,
    names: tuple[str, ...],
    params: Mapping[str, Params],
    chain: Chain,
    *,
    nested_in: str | None = None,
    use_cache: bool = True,
) -> None:
    """Run the steps `names` in order, reusing finished ones, recorded in `chain`.

    `params` has each step's parameters; missing ones are empty. Results are recorded at once, so that they are known if a step
    fails. The chain ends early where a step ends with an exit code of its own (a rejected model).
    """
    started = time.monotonic()
    given = {name: _complete(session, name, params.get(name, {})) for name in names}
    cached = tuple(name for name in names if name in CACHED)
    chain.reasons = dict.fromkeys(cached, "cache=off")
    if use_cache:
        found = find_reusable(session, cached, given)
        chain.lineage, chain.reused, chain.reasons = dict(found.lineage), tuple(found.lineage), found.reasons
        session.find_columns(chain.lineage)
    to_run = names[len(chain.reused) :]
    if any(session.step(name).uses_workers for name in to_run):
        session.workers.start()
    for name in chain.reused:
        session.reporter.say(f"{name}: reused run {chain.lineage[name]}")
    with drawing_later(session) as cards:
        for name in to_run:
            session.reporter.begin(name, chain.reasons.get(name, ALWAYS))
            begun = time.monotonic() - started
            try:
                run, words = _run(session, name, given[name], dict(chain.lineage), nested_in, chain.opened, cards)
            finally:
                chain.seconds[name] = (begun, time.monotonic() - started)
            session.reporter.say(words)
            chain.lineage[name], chain.last = run.id, run
            if run.exit_code:
                break


def check_steps(session: Session, names: tuple[str, ...], params: Mapping[str, Params]) -> None:
    """Raise UsageError for failures that can be known before any run is opened.

    They are an invalid parameter value and a candidate that cannot be built. Candidates are not checked again where the newest
    finished run of the step had the same settings and code.
    """
    given = {name: _complete(session, name, params.get(name, {})) for name in names}
    for name in names:
        session.step(name).inputs(session, **given[name])
    for name in names:
        step = session.step(name)
        if step.check and not _is_known_to_work(session, name, given[name]):
            if step.uses_workers:
                session.workers.start()  # it will probably run: they start while this process imports what it checks
            step.check(session, **given[name])


def run_step(session: Session, name: str, params: Params, upstream_run_id: str) -> tuple[StepRun, str]:
    """Run one step in a run of its own; return the closed run and its text.

    It continues from `upstream_run_id`; empty: the newest run of the step before. Upstream steps without a finished run are run
    first.
    """
    check_steps(session, (*(() if upstream_run_id else _not_run_yet(session, name)), name), {name: params})
    return _run(session, name, _complete(session, name, params), upstream_run_id, None)


def _not_run_yet(session: Session, name: str) -> tuple[str, ...]:
    """Return the steps right before `name` that have no finished run, in order."""
    with store_errors(session.store.uri):
        missing = [*takewhile(lambda step: not session.history.newest(step), reversed(session.upstream(name)))]
    return tuple(reversed(missing))


def _is_known_to_work(session: Session, name: str, params: Params) -> bool:
    """Whether the step's newest finished run had the same settings and code.

    Library versions are compared too.
    """
    with store_errors(session.store.uri):
        newest = session.history.newest(name)
        return bool(newest) and not _changes(session, name, params, recorded(session.reader, newest[0]).components)


def _complete(session: Session, name: str, params: Params) -> dict[str, str]:
    return {key: params.get(key, "") for key in session.step(name).params}


def _run(
    session: Session,
    name: str,
    params: Params,
    upstream: str | dict[str, str],
    nested_in: str | None,
    opened: dict[str, StepRun] | None = None,
    cards: LateCards | None = None,
) -> tuple[StepRun, str]:
    """Run a step after the lineage or the run ID `upstream`.

    A run ID is looked up within the run, so that its absence is a failure of that run. The card is left to `cards`, if
    given.
    """
    step = session.step(name)
    known = upstream if isinstance(upstream, dict) else None
    with session.open_run(name, nested_in=nested_in, lineage=known) as run:
        if opened is not None:
            opened[name] = run
        run.set_lineage(upstream if isinstance(upstream, dict) else _find_upstream(session, name, upstream))
        session.find_columns(run.lineage)
        components = session.components(step, params, run.parent_tag("fingerprint"))
        run.tag(fingerprint=fingerprint(components))
        shown = {key: redact(value) for key, value in params.items()}
        run.save(FINGERPRINT, Recorded(shown, components))
        try:
            with run.limited_to(step.reads, step.writes):
                words = step.work(session, run, **params)
        except Exception as error:
            draw_card(session, run, name, lambda: StepResults(session.recipe, run), error, main=nested_in)
            raise
        if cards:
            results = StepResults(session.recipe, run)
            save = begin_card(session, run, name, lambda: results, main=nested_in, workers=session.workers)
        else:
            draw_card(session, run, name, lambda: StepResults(session.recipe, run), main=nested_in)
    if cards:
        cards.put_off(save)
    return run, words


def _find_upstream(session: Session, name: str, run_id: str) -> dict[str, str]:
    """Return the run IDs of all steps before `name`.

    They are those behind `run_id`, behind the newest run, or of runs made now.
    """
    upstream = session.upstream(name)
    if not upstream:
        return {}
    parent = upstream[-1]
    if run_id:
        return lineage_of(session.history.get(parent, run_id), upstream)
    newest = session.history.newest(parent)
    if newest:
        lineage = lineage_of(newest[0], upstream)
        session.reporter.say(f"using the newest {parent} run, {newest[0].info.run_id}")
        _warn_when_stale(session, lineage)
        return lineage
    session.reporter.say(f"no finished run of {parent}: running it first")
    lineage = _find_upstream(session, parent, "")
    run, words = _run(session, parent, _complete(session, parent, {}), lineage, None)
    session.reporter.say(words)
    return {**lineage, parent: run.id}


def _warn_when_stale(session: Session, lineage: Mapping[str, str]) -> None:
    """Warn of changes in recipe or code since the upstream runs."""
    reader = session.reader
    for name, run_id in lineage.items():
        before = recorded(reader, session.history.get(name, run_id))
        params = _complete(session, name, before.params)
        try:
            lines = _changes(session, name, params, before.components)
        except UsageError as error:
            session.reporter.say(f"warning: {name} run {run_id} was made with another recipe. {error.sentence}")
            continue
        if lines:
            session.reporter.say(
                f"warning: changed since {name} run {run_id}: {'; '.join(lines[:5])}. Run {name} again to apply the change."
            )


def _changes(session: Session, name: str, params: Params, before: Mapping[str, str]) -> list[str]:
    """Return a line per component of the step that differs from `before`."""
    now = session.components(session.step(name), params, "", with_content=False)
    settings_and_code = [
        {key: value for key, value in components.items() if not key.startswith((CONTENT, RESULT))}
        for components in (before, now)
    ]
    return differences(*settings_and_code)
