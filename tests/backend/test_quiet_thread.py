"""Work that makes way: in a thread of its own, when cores are idle. Its errors come back to the caller."""

import os
import threading

import pytest

from xapp.backend.quiet_thread import NICENESS, QuietThread


def policy() -> int:
    return os.sched_getscheduler(threading.get_native_id())


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_only_the_thread_of_the_work_makes_way() -> None:
    before, seen = policy(), []
    quiet = QuietThread()
    for _ in range(2):
        quiet.run(lambda: seen.append((policy(), threading.get_native_id())))
    quiet.close()
    assert seen[0] == seen[1], "one thread does all of it"
    assert seen[0][0] == os.SCHED_IDLE
    assert policy() == before
    assert seen[0][1] != threading.get_native_id()


def test_where_the_policy_is_forbidden_niceness_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    seen: list[int] = []
    quiet = QuietThread()
    quiet.run(lambda: seen.append(niceness()))
    quiet.close()
    assert seen == [NICENESS]


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
