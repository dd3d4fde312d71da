"""Threads for calls over a network: a program that is made to end does not wait for them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """Runs calls in their order, ``count`` of them at once; a thread is made when it is needed.

    Why not a ThreadPoolExecutor: its threads hold up the end of the program, and with a service
    that says nothing even a second Ctrl-C would do so for minutes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[Thread] = []
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._closed = Event()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Runs ``call`` as soon as a thread is free."""
        future: Future[T] = Future()
        self._todo.put((future, call))
        if len(self._threads) < self._count:
            thread = Thread(target=self._work, name=f"embed_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Begins nothing more, and waits for the calls under way."""
        self._closed.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._todo.get()) is not None:
            future, call = job
            if self._closed.is_set():
                future.cancel()
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 (raised where the result is asked for)
                future.set_exception(error)
