"""ModelText: text to tokens and back for one model in the server. A text process does the work.

A short text is a round trip over a socket. A long text is processed in a forked process (see `process`), at
most MAX_FORKED at a time. When a text ends the process, or takes too long, its caller gets an error. All
other texts are sent again to the next process, for a while each in a forked process, so that the next such
text affects no others. The server itself joins the text of answers, from a table of all tokens' bytes that
the process sends once.
"""

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from time import monotonic
from typing import Any, Self

import msgspec

from xapp.domain.chat import ChatMessage, Prompt
from xapp.errors import InvalidArgument, ModelError, Unavailable, XappError
from xapp.text.client import TEXT_COMMAND, Reply, TextClient
from xapp.text.messages import (
    Broke,
    Check,
    Checked,
    Ids,
    Loaded,
    Read,
    Refused,
    Render,
    Rendered,
    ToText,
    Turn,
    vocabulary_digest,
)
from xapp.text.queue import FairQueue, Job
from xapp.text.stream_text import TextStream
from xapp.workers.process_client import UNLOADING
from xapp.workers.supervisor import ProcessSupervisor, RestartPolicy, WorkerState

LONG_BYTES = 16 * 1024
"""Longer texts are processed in a forked process."""
MAX_FORKED = 2
LIMIT_S = 2.0
LIMIT_S_PER_BYTE = 4e-6
"""CPU time. A Pi tokenizes 1 MB in about a second."""
WALL_S_PER_CPU_S, PATIENCE_S = 6.0, 5.0
"""A process that is silent for so long is killed. It normally ends itself before."""
CAUTIOUS_S = 60.0
"""For so long after a text ended the process, every text is processed in a forked process."""
MAX_LOST = 3
_POLICY = RestartPolicy(first_delay_s=0.05, max_delay_s=1.0, healthy_after_s=10.0)


class PieceTable(dict[int, bytes]):
    """The bytes of each token, looked up once, then an item of the dict. Raises ValueError for other ids."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self._text = loaded.pieces
        self._starts = array("I", loaded.starts)

    def __missing__(self, token: int) -> bytes:
        if not 0 <= token < len(self._starts) - 1:
            raise ValueError(f"token {token} is outside the vocabulary of {len(self._starts) - 1}")
        piece = self[token] = self._text[self._starts[token] : self._starts[token + 1]]
        return piece


class ModelText:
    """`load` makes it, `aclose` ends it."""

    def __init__(self, path: str, command: Sequence[str] = TEXT_COMMAND) -> None:
        self._path = path
        self._command = command
        self._supervisor = ProcessSupervisor(
            path, self._new_client, _POLICY, self._on_state, role="text process"
        )
        self._ids = count(1)
        self._waiting = {False: FairQueue(), True: FairQueue()}
        self._running: dict[int, Job] = {}
        self._cautious_until = 0.0
        self._guilty: Job | None = None
        self._fingerprint: bytes | None = None
        self.has_chat_template = False
        self.max_piece_bytes = 1
        self.vocabulary = ""
        self.piece: Callable[[int], bytes] = PieceTable(Loaded(False, 1, b"", b"", b"")).__getitem__

    @classmethod
    async def load(cls, path: str, command: Sequence[str] = TEXT_COMMAND) -> Self:
        """Starts the process. Raises ModelError with the file, or Unavailable. No process is left then."""
        model = cls(path, command)
        try:
            loaded: Loaded = await model._supervisor.start()
        except BaseException:
            await model.aclose()
            raise
        model._fingerprint = loaded.fingerprint
        model.has_chat_template = loaded.has_chat_template
        model.max_piece_bytes = loaded.max_piece_bytes
        model.vocabulary = vocabulary_digest(loaded.pieces, loaded.starts)
        model.piece = PieceTable(loaded).__getitem__
        return model

    @property
    def pid(self) -> int:
        """The text process's id; 0 without a process."""
        return self._supervisor.pid

    @property
    def can_start(self) -> bool:
        """Whether the process runs, or is being started and has not failed."""
        return self._supervisor.state is not WorkerState.FAILED

    @property
    def num_restarts(self) -> int:
        """Number of restarts of the process."""
        return self._supervisor.num_restarts

    async def read(self, prompt: Prompt, client: str = "") -> list[int]:
        """The prompt's tokens. Raises InvalidArgument with its field, ModelError, Unavailable."""
        (tokens,) = await self._tokens(prompt, None, client)
        return tokens

    async def read_choices(self, prompt: Prompt, choices: Sequence[str], client: str = "") -> list[list[int]]:
        """The prompt's tokens, then for each choice the tokens of prompt and choice. Raises as `read`."""
        return await self._tokens(prompt, choices, client)

    async def render(self, template: str, values: Mapping[str, Any], client: str = "") -> str:
        """The prompt from a task's template. Raises InvalidArgument with field `inputs`, Unavailable."""
        inputs = dict(values)
        size = len(template.encode(errors="replace")) + len(msgspec.msgpack.encode(inputs))
        request = Render(next(self._ids), template, inputs, size, self._must_fork(size), self._limit_s(size))
        text: str = await self._finish(request, "inputs", client)
        return text

    async def check(self, pairs: Sequence[tuple[str, str]], client: str = "") -> list[str]:
        """For each schema and JSON text the reason why the text does not conform, "" where it does.

        Raises InvalidArgument with field `json` where the check takes too much work, Unavailable.
        """
        sent = [(schema, text.encode(errors="replace")) for schema, text in pairs]
        size = sum(len(schema) + len(text) for schema, text in sent)
        request = Check(next(self._ids), sent, size, self._must_fork(size), self._limit_s(size))
        faults: list[str] = await self._finish(request, "json", client)
        return faults

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        """The text of one answer."""
        return TextStream(self.piece, stop)

    async def aclose(self) -> None:
        """Ends the process. Waiting callers get an error. Safe to call twice."""
        await self._supervisor.aclose()
        self._fail_all(Unavailable(UNLOADING, reason="DRAINING", retry_after_s=1.0))

    # ---- requests

    async def _tokens(self, prompt: Prompt, choices: Sequence[str] | None, client: str) -> list[list[int]]:
        field, text, turns, size = _encoded(prompt)
        ends = None if choices is None else [choice.encode(errors="replace") for choice in choices]
        if ends is not None:
            size += sum(map(len, ends)) + size * len(ends)
        forked, limit_s = self._must_fork(size), self._limit_s(size)
        request = Read(next(self._ids), text, turns, ends, size, forked, limit_s)
        lists: list[list[int]] = await self._finish(request, field, client)
        return lists

    async def _finish(self, request: ToText, field: str, client: str) -> Any:
        """Queues the request and waits for its result."""
        if self._supervisor.state in {WorkerState.FAILED, WorkerState.CLOSED}:
            raise self._supervisor.not_ready()
        job = Job(request, field, client, asyncio.get_running_loop().create_future())
        self._waiting[request.forked].put(job)
        self._pump()
        return await job.result

    def _must_fork(self, size: int) -> bool:
        return size > LONG_BYTES or self._cautious

    def _limit_s(self, size: int) -> float:
        return LIMIT_S + size * LIMIT_S_PER_BYTE

    def _pump(self) -> None:
        """Sends the requests that may be processed now."""
        client = self._supervisor.client
        while client is not None and client.running:
            job = self._next()
            if job is None:
                return
            self._running[job.request.request_id] = job
            try:
                client.send(job.request)
            except Unavailable as error:
                self._end(job, error)
                continue
            after_s = job.request.limit_s * WALL_S_PER_CPU_S + PATIENCE_S
            job.timer = asyncio.get_running_loop().call_later(after_s, self._on_late, job)

    def _next(self) -> Job | None:
        num_forked = sum(job.request.forked for job in self._running.values())
        if num_forked == len(self._running) and not self._cautious:
            job = self._waiting[False].take()
            if job is not None:
                return job
        return self._next_forked() if num_forked < MAX_FORKED else None

    def _next_forked(self) -> Job | None:
        job = self._waiting[True].take()
        if job is None and self._cautious and (job := self._waiting[False].take()) is not None:
            job.request = msgspec.structs.replace(job.request, forked=True)
        return job

    @property
    def _cautious(self) -> bool:
        return monotonic() < self._cautious_until

    # ---- replies

    def _on_reply(self, reply: Reply) -> None:
        job = self._running.get(reply.request_id)
        if job is None:
            return
        if isinstance(reply, Broke):
            self._end(job, _refusal(job, reply.why))
        elif isinstance(reply, Refused):
            self._end(job, _as_error(reply))
        elif isinstance(reply, Rendered):
            self._end(job, reply.text.decode())
        elif isinstance(reply, Checked):
            self._end(job, reply.faults)
        else:
            self._end(job, _unpacked(reply.lists))
        self._pump()

    def _on_late(self, job: Job) -> None:
        client = self._supervisor.client
        if client is not None and self._running.get(job.request.request_id) is job:
            self._guilty = job
            client.kill(f"a text took longer than {job.request.limit_s:.1f} s")

    def _on_lost(self, client: TextClient) -> None:
        """A text in the process itself is the cause of its death. Forked texts are not."""
        jobs, guilty, self._guilty = list(self._running.values()), self._guilty, None
        for job in jobs:
            died_of = client.crash if guilty is None and not job.request.forked else ""
            why = f"native code was ended by {died_of}" if died_of else ""
            if job is guilty or died_of == "SIGPROF":
                why = f"it took longer than {job.request.limit_s:.1f} s"
            job.num_lost += 1
            if why:
                self._cautious_until = monotonic() + CAUTIOUS_S
                self._end(job, _refusal(job, why))
            elif job.num_lost >= MAX_LOST:
                self._end(job, self._supervisor.not_ready())
            else:
                self._send_again(job)

    def _send_again(self, job: Job) -> None:
        self._forget(job)
        job.request = msgspec.structs.replace(job.request, request_id=next(self._ids), forked=True)
        self._waiting[True].put_back(job)

    def _end(self, job: Job, result: list[list[int]] | list[str] | str | XappError) -> None:
        self._forget(job)
        if job.given_up:
            return
        if isinstance(result, XappError):
            job.result.set_exception(result)
        else:
            job.result.set_result(result)

    def _forget(self, job: Job) -> None:
        self._running.pop(job.request.request_id, None)
        if job.timer is not None:
            job.timer.cancel()

    def _fail_all(self, error: XappError) -> None:
        waiting = [job for queue in self._waiting.values() for job in queue.take_all()]
        for job in [*self._running.values(), *waiting]:
            self._end(job, error)

    # ---- the process

    def _new_client(self) -> TextClient:
        client = TextClient(
            self._path, self._on_reply, lambda _: self._on_lost(client), self._command, self._fingerprint
        )
        return client

    def _on_state(self) -> None:
        if self._supervisor.state is WorkerState.FAILED:
            self._fail_all(self._supervisor.not_ready())
        self._pump()


def _encoded(prompt: Prompt) -> tuple[str, bytes | None, list[Turn], int]:
    """The field for errors, the text and turns to send, and their size in bytes."""
    if isinstance(prompt, str):
        text = prompt.encode(errors="replace")
        return "prompt", text, [], len(text)
    turns = [_turn(message) for message in prompt]
    size = sum(len(turn.content) + sum(len(call[2]) for call in turn.calls) for turn in turns)
    return "chat", None, turns, size


def _turn(message: ChatMessage) -> Turn:
    calls = [(call.id, call.name, call.arguments.encode(errors="replace")) for call in message.tool_calls]
    return Turn(message.role, message.content.encode(errors="replace"), calls, message.tool_call_id)


def _unpacked(lists: Sequence[Ids]) -> list[list[int]]:
    found: list[list[int]] = []
    for ids in lists:
        shared = found[0][: ids.shared] if ids.shared else []
        found.append(shared + array("i", ids.rest).tolist())
    return found


def _refusal(job: Job, why: str) -> InvalidArgument:
    if isinstance(job.request, Check):
        return InvalidArgument(job.field, f"takes too much work to check: {why}", reason="NOT_CHECKED")
    text = f"the model's tokenizer or chat template cannot take it: {why}"
    return InvalidArgument(job.field, text, reason="TEXT_NOT_TOKENIZED")


def _as_error(refused: Refused) -> XappError:
    if refused.field:
        return InvalidArgument(refused.field, refused.message, reason=refused.reason)
    return ModelError(refused.message, reason=refused.reason)
