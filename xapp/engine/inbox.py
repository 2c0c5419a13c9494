"""Inbox: the worker's end of the socket. Frames in and out, and a lookout while a long step computes."""

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from xapp.backend.interrupt import Interrupt
from xapp.domain.messages import FrameBuffer, FromWorker, ToWorker, decode_to_worker, encode
from xapp.engine.lookout import Watch

RECEIVE_BYTES = 1 << 18
MAX_WAIT_S = 3600.0
"""A longer wait is begun anew: poll takes milliseconds in 32 bits."""


class ServerGone(Exception):
    """The server closed the socket, or said Shutdown."""


class Inbox:
    """Frames over the socket, for one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._frames = FrameBuffer()
        self._early: list[ToWorker] = []
        self._gone = False

    @property
    def socket(self) -> socket.socket:
        """What messages come on."""
        return self._socket

    def send(self, message: FromWorker) -> None:
        """Blocks until the server has taken it. Raises ServerGone."""
        try:
            self._socket.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ServerGone from error

    def receive(self, *, wait_s: float | None) -> list[ToWorker]:
        """What has come. Waits at most so many seconds for it, None is for ever. Raises ServerGone."""
        if self._early:
            early, self._early = self._early, []
            return early
        # Asked before each step, and nearly always there is nothing: a poll costs less than an exception.
        if not self._gone and not self._poll.poll(None if wait_s is None else wait_s * 1000):
            return []
        return self._read()

    def read_early(self) -> list[ToWorker]:
        """What has come just now; `receive` gives it out again. A server that is gone is told there too."""
        try:
            messages = self._read()
        except ServerGone:
            self._gone = True
            return []
        self._early += messages
        return messages

    @property
    def gone(self) -> bool:
        """Whether the server went while somebody read early."""
        return self._gone

    def _read(self) -> list[ToWorker]:
        if self._gone:
            raise ServerGone
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except ConnectionResetError as error:
            raise ServerGone from error
        if not data:
            raise ServerGone
        return [decode_to_worker(body) for body in self._frames.feed(data)]


class InboxLookout:
    """Reads the inbox from a thread of its own, but only inside of `over`: never two threads at once."""

    def __init__(self, inbox: Inbox, interrupt: Interrupt) -> None:
        self._inbox = inbox
        self._interrupt = interrupt
        self._wake = os.eventfd(0)
        self._poll = select.poll()
        self._poll.register(inbox.socket, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._watch: Watch | None = None
        self._begin, self._ended = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, name="lookout", daemon=True).start()

    @contextmanager
    def over(self, watch: Watch) -> Iterator[None]:
        """See Lookout. The interrupt is clear before and after."""
        self._watch = watch
        self._begin.release()
        try:
            yield
        finally:
            os.eventfd_write(self._wake, 1)
            self._ended.acquire()
            os.eventfd_read(self._wake)
            self._interrupt.clear()

    def _run(self) -> None:
        while True:
            self._begin.acquire()
            assert self._watch is not None
            self._look(self._watch)
            self._ended.release()

    def _look(self, watch: Watch) -> None:
        """Until woken up."""
        while True:
            left_s = max(0.0, min(MAX_WAIT_S, watch.deadline - monotonic()))
            ready = dict(self._poll.poll(None if self._interrupt.is_set else left_s * 1000))
            if self._wake in ready:
                return
            if ready and any(map(watch.ends_for, self._inbox.read_early())):
                self._interrupt.set()
            if self._inbox.gone:
                self._interrupt.set()
                select.select([self._wake], [], [])
                return
            if monotonic() >= watch.deadline:
                self._interrupt.set()
