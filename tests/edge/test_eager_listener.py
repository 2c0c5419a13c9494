"""Connections that wait are taken together, whatever the loop."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvloop

from xapp.edge import eager_listener
from xapp.edge.eager_listener import EagerListener, listening_sockets

CROWD = 20


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


def crowd(port: int, stack: ExitStack) -> None:
    """Connections that the kernel has made before the listener takes any."""
    for _ in range(CROWD):
        stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))


def test_a_crowd_is_taken_at_once(runner: asyncio.Runner) -> None:
    async def run() -> None:
        taken: list[socket.socket] = []

        async def take(accepted: socket.socket) -> None:
            taken.append(accepted)

        (listening,) = await listening_sockets("127.0.0.1", 0, 64)
        with ExitStack() as stack:
            crowd(listening.getsockname()[1], stack)
            listener = EagerListener([listening], take)
            passes = 0
            while not taken:
                await asyncio.sleep(0)
                passes += 1
                assert passes < 100_000, "nothing was taken"
            await listener.wait_closed()
            assert len(taken) == CROWD
            listener.close()
            for each in taken:
                each.close()

    runner.run(run())


class Exhausted:
    """A listening socket of a process without a free descriptor, once."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.refusals = 1

    def fileno(self) -> int:
        return self._real.fileno()

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return self._real.accept()

    def close(self) -> None:
        self._real.close()


def test_without_descriptors_it_tries_again(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(eager_listener, "PAUSE_S", 0.001)

    async def run() -> None:
        taken: asyncio.Queue[socket.socket] = asyncio.Queue()
        (listening,) = await listening_sockets("127.0.0.1", 0, 64)
        listener = EagerListener([Exhausted(listening)], taken.put)  # type: ignore[list-item]
        with socket.create_connection(listening.getsockname(), 10):
            (await asyncio.wait_for(taken.get(), 60)).close()
        listener.close()

    runner.run(run())
    assert "no connection can be taken" in caplog.text


def test_a_port_that_is_taken_is_said_and_leaves_nothing_open(runner: asyncio.Runner) -> None:
    async def run() -> None:
        (first,) = await listening_sockets("127.0.0.1", 0, 1)
        with first, pytest.raises(OSError, match="in use"):
            await listening_sockets("127.0.0.1", first.getsockname()[1], 1)

    runner.run(run())
