"""Reading, computing and writing in parallel: one piece ahead, one behind.

Each has a thread; what is made behind may be written behind that. A signal may arrive while a thread is being started; the pool
does not know of it then, nor wait for it: a lock does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def read_ahead(items: Generator[T, None, None]) -> Iterator[T]:
    """Yield `items`, preparing the next one while one is used.

    Its exceptions are raised here.
    """
    lock = Lock()

    def make() -> T | object:
        with lock:
            return next(items, _END)

    try:
        with ThreadPoolExecutor(1) as thread:
            following: Future[Any] = thread.submit(make)
            while (item := following.result()) is not _END:
                following = thread.submit(make)
                yield item
    finally:
        with lock:
            items.close()


@contextmanager
def write_behind(write: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Yield a function that calls `write` later and in order.

    Each call waits for the call before, and so does the end of the block. An exception of a call is raised by the next one, or
    at the end of the block; after the block no call is made.
    """
    lock, is_over = Lock(), False

    def do(item: T) -> None:
        with lock:
            if not is_over:
                write(item)

    try:
        with ThreadPoolExecutor(1) as thread:
            under_way: Future[None] | None = None

            def write_later(item: T) -> None:
                nonlocal under_way
                if under_way:
                    under_way.result()
                under_way = thread.submit(do, item)

            yield write_later
            if under_way:
                under_way.result()
    finally:
        with lock:
            is_over = True
