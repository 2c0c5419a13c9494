"""EngineProcess: the server's end of the process of one engine. A Job is one piece of its work."""

import asyncio
import itertools
import sys
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec

from xapp.errors import Exhausted, InvalidArgument, ModelError, Unavailable, XappError
from xapp.speech.messages import (
    Audio,
    Done,
    Drop,
    EndAudio,
    EndUtterance,
    Failed,
    FromEngine,
    Loaded,
    LoadFailed,
    Reply,
    Say,
    Spoken,
    ToEngine,
    Took,
    Translate,
    Translated,
    decode_from_engine,
)
from xapp.workers.process_client import ProcessClient

ENGINE_COMMAND = (sys.executable, "-m", "xapp.speech.engine.process")
MAX_WAITING = 1000
"""Replies of a job that nobody reads."""

_ASKS = (Audio, EndUtterance, EndAudio, Say, Translate)
_ANSWERS = (Took, Spoken, Translated, Done, Failed)


class Job:
    """One piece of work: a context manager, which drops the work that is left. Replies are read in order."""

    def __init__(self, client: "EngineProcess", number: int) -> None:
        self._client = client
        self.number = number
        self._replies: asyncio.Queue[Reply | XappError] = asyncio.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.drop(self.number)

    def send(self, message: ToEngine) -> None:
        """Raises Unavailable when the process is gone."""
        self._client.send(message)

    async def next(self) -> Reply:
        """The next reply. Raises the job's error, or Unavailable when the process is gone."""
        reply = await self._replies.get()
        if isinstance(reply, XappError):
            raise reply
        if isinstance(reply, Failed):
            raise InvalidArgument("request", reply.message, reason="ENGINE_REFUSED")
        return reply

    def put(self, reply: Reply | XappError) -> None:
        """Called by the client."""
        if self._replies.qsize() >= MAX_WAITING:
            reply = Exhausted("the answers are not read", reason="SLOW_READER", retry_after_s=1.0)
            self._replies = asyncio.Queue()
            self._client.drop(self.number)
        self._replies.put_nowait(reply)


class EngineProcess(ProcessClient[Loaded]):
    """One process of the engine `kind`, with its `settings`. `info` is what it said of itself."""

    def __init__(
        self, kind: str, model: str, settings: msgspec.Struct, command: Sequence[str] = ENGINE_COMMAND
    ) -> None:
        arguments = (kind, model, msgspec.json.encode(settings).decode())
        super().__init__(f"{kind} engine", model or kind, command, arguments)
        self.info: Loaded | None = None
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._num_owed: dict[int, int] = {}
        self._last_message_at = monotonic()

    @property
    def silence_s(self) -> float:
        """Seconds without a message from a process that owes an answer; 0 otherwise."""
        return monotonic() - self._last_message_at if any(self._num_owed.values()) else 0.0

    def job(self) -> Job:
        """Opens a job. Raises Unavailable when the process cannot take it."""
        self._check_room()
        job = Job(self, next(self._numbers))
        self._jobs[job.number] = job
        self._num_owed[job.number] = 0
        return job

    def send(self, message: ToEngine) -> None:
        """Sends a message of an open job. Raises Unavailable when the process is gone."""
        self._check_room()
        if isinstance(message, _ASKS) and message.job in self._num_owed:
            if not any(self._num_owed.values()):
                self._last_message_at = monotonic()
            self._num_owed[message.job] += 1
        self._send(message)

    def drop(self, number: int) -> None:
        """Ends a job. A job that has ended is ignored."""
        self._num_owed.pop(number, None)
        if self._jobs.pop(number, None) is not None:
            self._send(Drop(number))

    def _decode(self, body: bytes) -> FromEngine:
        return decode_from_engine(body)

    def _on_message(self, message: FromEngine) -> None:
        if isinstance(message, Loaded):
            self._on_loaded(message)
        elif isinstance(message, LoadFailed):
            if not self._ready.done():
                self._ready.set_exception(ModelError(message.message, reason="BAD_SPEECH_ENGINE"))
        else:
            self._on_reply(message)

    def _on_loaded(self, message: Loaded) -> None:
        if not self._ready.done():
            self.info = message
            self._ready.set_result(message)

    def _on_reply(self, reply: Reply) -> None:
        self._last_message_at = monotonic()
        if isinstance(reply, _ANSWERS) and reply.job in self._num_owed:
            self._num_owed[reply.job] -= 1
        if (job := self._jobs.get(reply.job)) is not None:
            job.put(reply)

    def _on_end(self, error: Unavailable) -> None:
        jobs, self._jobs = self._jobs, {}
        self._num_owed = {}
        for job in jobs.values():
            job.put(error)
