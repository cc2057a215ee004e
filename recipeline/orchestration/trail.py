"""The trail of a card: the chain's other cards, and MLflow's pages about its run.

Addresses begin with `#` and are relative to the start page of MLflow's UI, whose own address is seldom known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from recipeline.artifacts import CARD
from recipeline.escape import for_markdown

#: Where `mlflow ui` answers unless it is told otherwise.
LOCAL_UI = "http://127.0.0.1:5000"

#: MLflow's pages for language models are others.
_KIND = "?workflowType=machine_learning"


@dataclass(frozen=True)
class Stop:
    """One card of the trail; without a run ID it does not exist yet.

    `path` leads to it from the card's own folder, and is empty where one of both is not on this machine. `page` is its HTML
    where it shall be shown inside the card that leads to it.
    """

    step: str
    run_id: str = ""
    path: str = ""
    address: str = ""
    page: str = ""


@dataclass(frozen=True)
class Place:
    """A page of MLflow's UI, by its title."""

    title: str
    address: str


@dataclass(frozen=True)
class Trail:
    """The cards of a chain, that of `run_id` among them, and MLflow's pages.

    `ui` is the address of MLflow's UI as far as it is known.
    """

    run_id: str
    stops: tuple[Stop, ...]
    places: tuple[Place, ...]
    ui: str = LOCAL_UI

    @property
    def packed(self) -> dict[str, str]:
        """The HTML of the cards that the card contains, by run ID."""
        return {stop.run_id: stop.page for stop in self.stops if stop.page}


def card_address(experiment_id: str, run_id: str) -> str:
    """Return the address of a run's card in MLflow's artifact view."""
    return f"#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}/artifacts/{CARD.name}{_KIND}"


def list_places(experiment_id: str, run_id: str, model: str, version: str) -> tuple[Place, ...]:
    """Return MLflow's pages about a run, and about its version if there is one."""
    experiment, name = f"#/experiments/{quote(experiment_id)}", quote(model, safe="")
    places = [
        Place("run", f"{experiment}/runs/{quote(run_id)}{_KIND}"),
        Place("all runs", f"{experiment}/runs{_KIND}"),
    ]
    if version:
        places += [
            Place(f"model {model}", f"#/models/{name}{_KIND}"),
            Place(f"version {version}", f"#/models/{name}/versions/{quote(version)}{_KIND}"),
        ]
    return tuple(places)


def describe_trail(trail: Trail) -> str:
    """Return the trail as a line of Markdown for the run's description in MLflow.

    MLflow follows links of a description; it follows none of a card, which it shows in a closed frame.
    """
    cards = [_link(stop.step, stop.address) for stop in trail.stops if stop.address]
    others = [_link(place.title, place.address) for place in trail.places if place.address.startswith("#/models/")]
    return " · ".join([f"Cards: {', '.join(cards)}", *others])


def _link(text: str, address: str) -> str:
    return f"[{for_markdown(text)}]({address.replace('(', '%28').replace(')', '%29')})"
