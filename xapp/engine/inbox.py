"""Inbox: the worker's end of the socket. It reads and writes frames, also while a long step computes."""

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

from xapp.backend.interrupt import Interrupt
from xapp.domain.messages import FrameBuffer, FromWorker, ToWorker, decode_to_worker, encode
from xapp.engine.lookout import Watch
from xapp.failpoints import guard, send_in_parts

RECEIVE_BYTES = 1 << 18
SHORT_BYTES = 3
"""What a short read of the failpoint brings: less than the length of a frame."""
MAX_WAIT_S = 3600.0
"""The longest single wait: poll takes milliseconds in 32 bits. A longer wait repeats it."""


class ServerGone(Exception):
    """The server closed the socket, or sent Shutdown."""


class Inbox:
    """Frames over the socket, for one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._receive = guard(
            "inbox", sock.recv, ConnectionResetError, short=lambda _: sock.recv(SHORT_BYTES)
        )
        self._send = guard("event_socket", sock.sendall, BrokenPipeError, short=partial(send_in_parts, sock))
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._frames = FrameBuffer()
        self._peeked: list[ToWorker] = []
        self._gone = False

    @property
    def socket(self) -> socket.socket:
        """The socket that messages arrive on."""
        return self._socket

    def send(self, message: FromWorker) -> None:
        """Blocks until the socket has taken the message. Raises ServerGone."""
        try:
            self._send(encode(message))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ServerGone from error

    def receive(self, *, wait_s: float | None) -> list[ToWorker]:
        """The messages that arrived.

        Waits at most `wait_s` for the first; None waits for ever. Raises ServerGone.
        """
        if self._peeked:
            peeked, self._peeked = self._peeked, []
            return peeked
        # Called before each step, nearly always without a message: a poll is cheaper than an exception.
        if not self._gone and not self._poll.poll(None if wait_s is None else wait_s * 1000):
            return []
        return self._read()

    def peek(self) -> list[ToWorker]:
        """The messages that arrived just now.

        `receive` returns them again, and raises if the server is gone.
        """
        try:
            messages = self._read()
        except ServerGone:
            self._gone = True
            return []
        self._peeked += messages
        return messages

    @property
    def gone(self) -> bool:
        """Whether `peek` found that the server is gone."""
        return self._gone

    def _read(self) -> list[ToWorker]:
        if self._gone:
            raise ServerGone
        try:
            data = self._receive(RECEIVE_BYTES)
        except ConnectionResetError as error:
            raise ServerGone from error
        if not data:
            raise ServerGone
        return [decode_to_worker(body) for body in self._frames.feed(data)]


class InboxLookout:
    """Reads the inbox from a thread of its own, only inside `over`: two threads never read at once."""

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
    def watching(self, watch: Watch) -> Iterator[None]:
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
        """Reads until it is woken up."""
        while True:
            left_s = max(0.0, min(MAX_WAIT_S, watch.deadline - monotonic()))
            ready = dict(self._poll.poll(None if self._interrupt.is_set else left_s * 1000))
            if self._wake in ready:
                return
            if ready and any(map(watch.ends_for, self._inbox.peek())):
                self._interrupt.set()
            if self._inbox.gone:
                self._interrupt.set()
                select.select([self._wake], [], [])
                return
            if monotonic() >= watch.deadline:
                self._interrupt.set()
