"""Asking the remote in a thread of its own while something is written here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def prefetched(pages: Iterator[T]) -> Generator[T]:
    """Yield what ``pages`` yields, running it one step ahead in a thread of its own.

    The remote is used from that thread only as long as the iteration lasts, so the consumer must
    not call it meanwhile. An exception of ``pages`` is raised here, in its place.
    """
    done, bound = object(), copy_context()  # so that its log lines bear the run's id

    def step() -> T | object:
        return next(pages, done)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync-fetch") as worker:
        ahead: Future[T | object] = worker.submit(bound.run, step)
        while (page := ahead.result()) is not done:
            ahead = worker.submit(bound.run, step)
            yield page  # type: ignore[misc]


@contextmanager
def meanwhile(call: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Make a call in a thread of its own; what is yielded waits for its answer, or its error.

    The call has ended when the block is left, however it is left.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync-fetch") as worker:
        yield worker.submit(copy_context().run, call).result
