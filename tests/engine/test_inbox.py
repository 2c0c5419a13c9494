"""The worker's end of the socket, with a second thread that reads it while a step computes."""

import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from xapp.backend.interrupt import Interrupt
from xapp.domain.messages import Cancel, Extend, Priority, Shutdown, Submit, ToWorker, encode
from xapp.engine.inbox import Inbox, InboxLookout, ServerGone
from xapp.engine.lookout import Watch
from xapp.engine.sequence import NEVER

PATIENCE_S = 20.0
NOBODY = Watch((-NEVER, -NEVER))


class Signal(Interrupt):
    """One that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._set = threading.Event()

    def set(self) -> None:
        super().set()
        self._set.set()

    def wait(self) -> None:
        assert self._set.wait(PATIENCE_S), "nobody interrupted the step"


class Ends:
    def __init__(self) -> None:
        self.server, worker = socket.socketpair()
        self.inbox = Inbox(worker)
        self.interrupt = Signal()
        self.lookout = InboxLookout(self.inbox, self.interrupt)

    def send(self, *messages: ToWorker) -> None:
        self.server.sendall(b"".join(map(encode, messages)))


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.server.close()
    made.inbox.socket.close()


def urgent(number: int = 9) -> Submit:
    return Submit(number, [1], 1, priority=Priority.CRITICAL)


def test_what_the_watch_names_interrupts_and_is_handed_out_after(ends: Ends) -> None:
    with ends.lookout.watching(Watch((1, 0.0), request_id=3)):
        ends.send(Extend(3, 1.0), Cancel(4), urgent())
        ends.interrupt.wait()
    assert not ends.interrupt.is_set
    assert ends.inbox.receive(wait_s=0) == [Extend(3, 1.0), Cancel(4), urgent()]
    assert ends.inbox.receive(wait_s=0) == []


def test_what_it_does_not_name_changes_nothing_and_is_not_lost(ends: Ends) -> None:
    with ends.lookout.watching(NOBODY):
        ends.send(Cancel(4))
    ends.send(Cancel(5))
    got: list[ToWorker] = []
    while len(got) < 2:
        got += ends.inbox.receive(wait_s=PATIENCE_S)
    assert got == [Cancel(4), Cancel(5)]
    assert not ends.interrupt.is_set


def test_the_deadline_interrupts(ends: Ends) -> None:
    with ends.lookout.watching(Watch((-NEVER, -NEVER), deadline=monotonic() + 0.01)):
        ends.interrupt.wait()
    assert not ends.interrupt.is_set


def test_a_deadline_that_has_passed_interrupts_at_once(ends: Ends) -> None:
    with ends.lookout.watching(Watch((-NEVER, -NEVER), deadline=monotonic() - 1)):
        ends.interrupt.wait()


def gone(ends: Ends) -> None:
    ends.server.close()


def told(ends: Ends) -> None:
    ends.send(Shutdown())


@pytest.mark.parametrize("leave", [gone, told])
def test_nobody_computes_on_for_a_server_that_is_gone(ends: Ends, leave: Callable[[Ends], None]) -> None:
    with ends.lookout.watching(NOBODY):
        leave(ends)
        ends.interrupt.wait()
    try:
        assert ends.inbox.receive(wait_s=PATIENCE_S) == [Shutdown()]
    except ServerGone:
        assert leave is gone


def test_what_came_before_the_server_went_is_still_read(ends: Ends) -> None:
    with ends.lookout.watching(NOBODY):
        ends.send(Cancel(1))
        ends.server.close()
        ends.interrupt.wait()
    assert ends.inbox.receive(wait_s=0) == [Cancel(1)]
    with pytest.raises(ServerGone):
        ends.inbox.receive(wait_s=0)


def test_a_step_that_fails_ends_the_lookout_too(ends: Ends) -> None:
    with pytest.raises(ZeroDivisionError), ends.lookout.watching(NOBODY):
        raise ZeroDivisionError
    for number in range(100):
        with ends.lookout.watching(Watch((1, 0.0))):
            ends.send(urgent(number))
            ends.interrupt.wait()
        ends.interrupt._set.clear()
        assert ends.inbox.receive(wait_s=0) == [urgent(number)]
