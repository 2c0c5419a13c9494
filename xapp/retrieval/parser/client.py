"""Parser: the server's end of the parser process, which starts with the first document."""

import asyncio
import socket
import sys
from itertools import count

from xapp.domain.documents import Document, Passage
from xapp.domain.frames import FrameBuffer, encode
from xapp.errors import Unavailable
from xapp.retrieval.documents.parsed import Unread
from xapp.retrieval.parser.messages import FromParser, Parse, Pieces, Unreadable, decode_from_parser
from xapp.text.forked import RECEIVE_BYTES
from xapp.workers.process import WorkerProcess, spawn

COMMAND = (sys.executable, "-m", "xapp.retrieval.parser.process")
LEAST_S, S_PER_MB = 5.0, 10.0
"""CPU time of a document: a PDF of a thousand pages takes half a minute."""
_END_S = 5.0
_TRIES = 2
_RETRY_AFTER_S = 1.0


class Parser:
    """Documents go through it one after the other. `aclose` ends its process."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._lock = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._socket: socket.socket | None = None
        self._frames = FrameBuffer()

    @property
    def pid(self) -> int | None:
        """The process id; None without a process."""
        return self._process.pid if self._process is not None else None

    async def parse(
        self, document: Document, passage_chars: int, overlap_chars: int
    ) -> tuple[str, list[Passage]]:
        """The document's own title, or "", and its passages. Raises Unread, Unavailable."""
        size = len(document.content)
        request = Parse(
            next(self._ids),
            document.id,
            document.media_type,
            document.content,
            passage_chars,
            overlap_chars,
            size,
            LEAST_S + S_PER_MB * size / 1e6,
        )
        async with self._lock:
            answer = await self._ask(request)
        return await asyncio.to_thread(_told, answer)

    async def _ask(self, request: Parse) -> FromParser:
        """Asks a new process once more where the process is lost: documents end forked processes only."""
        for _ in range(_TRIES):
            try:
                return await self._exchange(request)
            except asyncio.CancelledError:
                # A part of a frame may be under way: the next document starts a new process.
                self._drop()
                raise
            except (OSError, EOFError) as error:
                await self._end()
                text = f"the parser process was lost: {error}"
        raise Unavailable(text, retry_after_s=_RETRY_AFTER_S)

    async def _exchange(self, request: Parse) -> FromParser:
        loop, sock = asyncio.get_running_loop(), await self._started()
        await loop.sock_sendall(sock, encode(request))
        while True:
            data = await loop.sock_recv(sock, RECEIVE_BYTES)
            if not data:
                raise EOFError("it ended")
            for body in self._frames.feed(data):
                # The answer to a caller that gave up comes first, and is nobody's.
                told: FromParser = decode_from_parser(body)
                if told.request_id == request.request_id:
                    return told

    async def _started(self) -> socket.socket:
        if self._socket is None:
            self._process, self._socket = await spawn(COMMAND)
            self._socket.setblocking(False)
            self._frames = FrameBuffer()
        return self._socket

    def _drop(self) -> WorkerProcess | None:
        process, sock, self._process, self._socket = self._process, self._socket, None, None
        if sock is not None:
            sock.close()
        if process is not None:
            process.kill()
        return process

    async def _end(self) -> None:
        if (process := self._drop()) is not None:
            await process.reap(_END_S)

    async def aclose(self) -> None:
        """Ends the process. Safe to call twice."""
        await self._end()


def _told(answer: FromParser) -> tuple[str, list[Passage]]:
    if isinstance(answer, Pieces):
        return answer.title, [Passage(each.text, each.title, each.start, each.end) for each in answer.pieces]
    if isinstance(answer, Unreadable):
        raise Unread(answer.reason, answer.message)
    raise Unread("TOO_MUCH_WORK", f"takes too much work: {answer.why}")
