"""The interface of an engine: calls in, results out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A function that a worker process can import, and its arguments.
Call = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Shared(Generic[T]):
    """An argument of many calls, which an engine may ship to each worker process once.

    Dask does; the local engine does so with large arrays of numbers. The function of the call gets the `value`, which it must
    not change.
    """

    value: T


class Workers(ABC):
    """Processes that make calls. Results do not depend on their number or place."""

    @abstractmethod
    def start(self) -> None:
        """Start the processes and return at once; without effect where they run already."""

    @abstractmethod
    def map(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        """Start `calls` and return an iterator over their results.

        Results come in order of completion unless `ordered`. An exception of a call is raised by the iterator.
        """

    def begin(self, call: Call) -> Callable[[], Any]:
        """Return a function that returns the result of a call or raises its exception.

        A process that runs already makes the call meanwhile; without one it is made here, when the function is called.
        """
        return partial(run_call, *call)


def run_call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the result of a call, in the process that makes it."""
    return function(*(it.value if isinstance(it, Shared) else it for it in arguments))
