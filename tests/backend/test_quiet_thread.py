"""Work that makes way: in a thread of its own, with a higher niceness. Its errors come back to the caller."""

import os
import threading

import pytest

from xapp.backend.quiet_thread import NICENESS, QuietThread


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_only_the_thread_of_the_work_is_nice() -> None:
    before, seen = niceness(), []
    quiet = QuietThread()
    quiet.run(lambda: seen.append((niceness(), threading.get_native_id())))
    quiet.run(lambda: seen.append((niceness(), threading.get_native_id())))
    quiet.close()
    assert seen[0] == seen[1], "one thread does all of it"
    assert seen[0][0] == max(before, NICENESS)
    assert niceness() == before
    assert seen[0][1] != threading.get_native_id()


def test_an_error_is_raised_where_the_work_was_asked_for() -> None:
    quiet = QuietThread()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        quiet.run(fail)
    done: list[int] = []
    quiet.run(lambda: done.append(1))
    quiet.close()
    assert done == [1]


def test_it_may_end_without_work() -> None:
    QuietThread().close()
