"""The card of a step: drawn from its results, saved with its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from recipeline.artifacts import CARD, Artifact, plot
from recipeline.config.recipe import Recipe
from recipeline.data.origin.uris import redact
from recipeline.engine.workers import Call, Workers, run_call
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Drawn
from recipeline.orchestration.trail import LOCAL_UI, Stop, Trail, card_address, describe_trail, list_places
from recipeline.tracking.artifacts.artifact_folders import way_to
from recipeline.tracking.connection.patience import parting
from recipeline.tracking.runs import StepRun

T = TypeVar("T")

#: The card of the chain, which the trail begins with.
_MAIN = "main"


@dataclass(frozen=True)
class StepResults:
    """The inputs of a card: the artifacts of a run and of its upstream runs."""

    recipe: Recipe
    run: StepRun

    def load(self, artifact: Artifact[T]) -> T:
        """Return an artifact of this run or an upstream one."""
        return self.run.load(artifact)

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether this run or an upstream one has the artifact."""
        return self.run.has(artifact)

    def tag(self, name: str) -> str:
        """Return a tag of the run; empty where it has none."""
        return self.run.own_tag(name)


def draw_card(
    session: Session,
    run: StepRun,
    name: str,
    results: Callable[[], object],
    error: BaseException | None = None,
    *,
    main: str | None = None,
    steps: Mapping[str, str] | None = None,
    version: str = "",
) -> None:
    """Save the card of a step, made of `results()`, and its plots.

    It leads to the cards of `steps`, run IDs by step, and to that of the chain's run `main`; without `steps` to the upstream
    steps. `version` is the run's version, where no tag has it. After an `error`, a store that is away is not waited for long.

    A failure of making, drawing or saving is reported on the card, if there is one, and as a warning; the step does not fail.
    """
    begin_card(session, run, name, results, error, main=main, steps=steps, version=version)()


def begin_card(
    session: Session,
    run: StepRun,
    name: str,
    results: Callable[[], object],
    error: BaseException | None = None,
    *,
    main: str | None = None,
    steps: Mapping[str, str] | None = None,
    version: str = "",
    workers: Workers | None = None,
) -> Callable[[], None]:
    """Make a card as `draw_card` does, and return the function that saves it.

    One of the `workers` draws it meanwhile; without them it is drawn when it is saved. The run may be closed before that.
    """
    begun: Callable[[], list[str]]
    try:
        with _limited(session, error):
            number = version or run.own_tag("model_version")
            trail = find_trail(session, run, name, main=main, steps=run.lineage if steps is None else steps, version=number)
            call = session.draw(name, results, f"{session.recipe.name}, run {run.id}", error, trail)
            begun = partial(_save_card, session, run, call, workers.begin(call) if workers else partial(run_call, *call))
            with suppress(Exception):  # the card has the trail too
                run.describe(describe_trail(trail))
    except Exception as problem:  # whatever it is, the step has done its work
        begun = partial(list, [_describe_failure(problem)])
    return partial(_end_card, session, run, name, begun, error)


def _end_card(session: Session, run: StepRun, name: str, begun: Callable[[], list[str]], error: BaseException | None) -> None:
    """Save a card that was begun, and report its failures."""
    try:
        with _limited(session, error):
            failures = begun()
    except Exception as problem:
        failures = [_describe_failure(problem)]
    for sentence in failures:
        session.reporter.say(f"warning: {name}: {sentence}")
    if failures:
        with suppress(Exception), _limited(session, error):
            run.tag(card_failures="; ".join(failures))


def _save_card(session: Session, run: StepRun, call: Call, drawing: Callable[[], Drawn]) -> list[str]:
    """Save a card; return the failures that it tells."""
    try:
        drawn = drawing()
    except Exception:  # the worker was killed, for example
        drawn = run_call(*call)
    views: list[tuple[Artifact[Any], Any]] = [(CARD, drawn.html), *((plot(name), png) for name, png in drawn.plots.items())]
    for view in views:
        run.note_view(*view)
    run.close_card()  # first: what a killed command leaves of a card is told from a whole one by its digest
    for view in views:
        run.save(*view)
    session.cards[run.id] = drawn.html
    return [*drawn.failures]


def _describe_failure(problem: Exception) -> str:
    return f"This card could not be saved: {type(problem).__name__}: {' '.join(str(problem).split())[:300]}"


def _limited(session: Session, error: BaseException | None) -> AbstractContextManager[None]:
    """Let a store that is away not be waited for long after an error."""
    return parting(error, session.store.uri) if error else nullcontext()


class LateCards(Workers):
    """The workers of a chain, which saves finished cards where it waits for them.

    A card takes up to a second to draw, for which neither the next step nor the first fits need to wait.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._waiting: list[Callable[[], object]] = []

    def put_off(self, save: Callable[[], object]) -> None:
        """Let a card be saved later: when results are waited for, or by `save`."""
        self._waiting.append(save)

    def save(self, limited: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """Save the cards that were put off, each in a block of `limited`."""
        while self._waiting:
            with limited():
                self._waiting[0]()
            self._waiting.pop(0)  # not before: one that an interrupt stops is saved again

    def start(self) -> None:
        """Start the processes."""
        self._workers.start()

    def begin(self, call: Call) -> Callable[[], Any]:
        """Return a function that returns the result of a call."""
        return self._workers.begin(call)

    def map(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        """Start `calls` and return an iterator, which first saves the cards."""
        return self._saving(self._workers.map(calls, ordered=ordered))

    def _saving(self, results: Iterator[Any]) -> Iterator[Any]:
        self.save()
        yield from results


@contextmanager
def drawing_later(session: Session) -> Iterator[LateCards]:
    """Let cards be drawn beside the steps of the block; the last are saved at its end."""
    workers = session.workers
    session.workers = cards = LateCards(workers)
    try:
        yield cards
        cards.save()
    except BaseException as error:
        with suppress(Exception):
            cards.save(partial(parting, error, session.store.uri))
        raise
    finally:
        session.workers = workers


def find_trail(session: Session, run: StepRun, name: str, *, main: str | None, steps: Mapping[str, str], version: str) -> Trail:
    """Return the trail of a run's card.

    The chain's card contains those of its steps: MLflow shows a card in a frame that opens no other page.
    """
    ids = {**({_MAIN: main} if main else {}), **steps, name: run.id}
    order = (_MAIN, *session.order) if _MAIN in ids else session.order
    names = order if name in order else (*steps, name)
    here = session.reader.root(run.id)
    stops = []
    for step in names:
        run_id = ids.get(step, "")
        path, page, address = "", "", ""
        if run_id:
            path = way_to(here, session.reader.root(run_id), CARD.name)
            address = card_address(experiment_of(session, run_id), run_id)
        if run_id and name == _MAIN and step != name:
            page = page_of(session, run_id)
        stops.append(Stop(step, run_id, path, address, page))
    uri = redact(session.store.uri)
    ui = uri.rstrip("/") if uri.startswith(("http:", "https:")) else LOCAL_UI
    places = list_places(experiment_of(session, run.id), run.id, session.recipe.model_name, version)
    return Trail(run.id, tuple(stops), places, ui)


def experiment_of(session: Session, run_id: str) -> str:
    """Return the ID of a run's experiment: a reused run may be of another one."""
    return str(session.runs.get(run_id).info.experiment_id)


def page_of(session: Session, run_id: str) -> str:
    """Return the card of a run; empty if it cannot be read."""
    if run_id not in session.cards:
        session.cards[run_id] = ""
        with suppress(Exception), session.reader.view(CARD.name, run_id) as path:
            session.cards[run_id] = CARD.read(path)
        if not session.cards[run_id]:
            session.reporter.say(
                f"note: run {run_id} has no card that can be read: it is not saved yet, or its command was killed."
            )
    return session.cards[run_id]
