"""Threads for calls: so many at once, errors where the result is asked for, an end that is one."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from recommender.workers import Workers


def test_calls_are_begun_in_their_order() -> None:
    workers, begun = Workers(1), list[int]()
    futures = [workers.submit(lambda n=n: begun.append(n) or n) for n in range(100)]  # type: ignore[misc]
    assert [future.result() for future in futures] == begun == list(range(100))
    workers.close()


def test_so_many_at_once_and_no_more() -> None:
    workers, barrier = Workers(3), threading.Barrier(3)
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait(10)  # three are there, or it breaks
        with lock:
            running -= 1

    for future in [workers.submit(call) for _ in range(30)]:
        future.result()
    assert most == 3
    workers.close()


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_comes_out_where_the_result_is_asked_for(error: BaseException) -> None:
    def fail() -> None:
        raise error

    workers = Workers(1)
    failed, good = workers.submit(fail), workers.submit(lambda: "fine")
    with pytest.raises(type(error)):
        failed.result()
    assert good.result() == "fine"
    workers.close()


def test_the_end_waits_for_what_is_under_way_and_begins_nothing_more() -> None:
    workers, go, begun = Workers(2), threading.Event(), threading.Barrier(3)

    def call() -> str:
        begun.wait(10)
        go.wait(10)
        return "done"

    under_way = [workers.submit(call) for _ in range(2)]
    waiting = [workers.submit(lambda: "never") for _ in range(5)]
    begun.wait(10)
    threading.Timer(0.1, go.set).start()
    workers.close()
    assert [future.result(0) for future in under_way] == ["done", "done"]
    assert all(future.cancelled() for future in waiting)
    workers.close()  # again: nothing
    Workers(4).close()  # before it has begun: nothing


def test_a_program_that_ends_does_not_wait() -> None:
    program = (
        "import threading; from recommender.workers import Workers;"
        " Workers(1).submit(threading.Event().wait); print('end')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        timeout=20,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("end\n", "")
