"""TextDispatcher: sends texts to a model's text process, and gives their callers the results.

A long text is processed in a forked process (see `forked`), at most MAX_FORKED at a time. When a text ends
the process, or takes too long, its caller gets an error. All other texts are sent again to the next process,
for a while each in a forked process, so that the next such text affects no others.
"""

import asyncio
from array import array
from collections.abc import Sequence
from itertools import count
from time import monotonic
from typing import Any

import msgspec

from xapp.domain.text_frames import TextTokens
from xapp.errors import InvalidArgument, ModelError, Unavailable, XappError
from xapp.text.client import Reply, TextClient
from xapp.text.messages import (
    Broke,
    Check,
    Checked,
    Ids,
    Loaded,
    Refused,
    Rendered,
    TextsRead,
    ToText,
)
from xapp.text.queue import FairQueue, Job
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


class TextDispatcher:
    """`start` first, `aclose` last."""

    def __init__(self, path: str, command: Sequence[str]) -> None:
        self._path = path
        self._command = command
        self.supervisor = ProcessSupervisor(
            path, self._new_client, _POLICY, self._on_state, role="text process"
        )
        self._ids = count(1)
        self._waiting = {False: FairQueue(), True: FairQueue()}
        self._running: dict[int, Job] = {}
        self._cautious_until = 0.0
        self._guilty: Job | None = None
        self._fingerprint: bytes | None = None

    async def start(self) -> Loaded:
        """Starts the process. Raises ModelError with the file, or Unavailable. No process is left then."""
        try:
            loaded: Loaded = await self.supervisor.start()
        except BaseException:
            await self.aclose()
            raise
        self._fingerprint = loaded.fingerprint
        return loaded

    async def aclose(self) -> None:
        """Ends the process. Waiting callers get an error. Safe to call twice."""
        await self.supervisor.aclose()
        self._fail_all(Unavailable(UNLOADING, reason="DRAINING", retry_after_s=1.0))

    async def finish(self, request: ToText, field: str, client: str) -> Any:
        """The result of a request. `field` is the field for errors, `client` takes turns with other clients.

        The request gets its id, its limit of time and its way here. Raises InvalidArgument, ModelError,
        Unavailable.
        """
        if self.supervisor.state in {WorkerState.FAILED, WorkerState.CLOSED}:
            raise self.supervisor.not_ready()
        request = msgspec.structs.replace(
            request,
            request_id=next(self._ids),
            forked=request.size > LONG_BYTES or self._cautious,
            limit_s=LIMIT_S + request.size * LIMIT_S_PER_BYTE,
        )
        job = Job(request, field, client, asyncio.get_running_loop().create_future())
        self._waiting[request.forked].put(job)
        self._pump()
        return await job.result

    def _pump(self) -> None:
        """Sends the requests that may be processed now."""
        client = self.supervisor.client
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
        elif isinstance(reply, TextsRead):
            self._end(job, [TextTokens(array("i", ids).tolist(), lost) for ids, lost in reply.texts])
        else:
            self._end(job, _unpacked(reply.lists))
        self._pump()

    def _on_late(self, job: Job) -> None:
        client = self.supervisor.client
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
                self._end(job, self.supervisor.not_ready())
            else:
                self._send_again(job)

    def _send_again(self, job: Job) -> None:
        self._forget(job)
        job.request = msgspec.structs.replace(job.request, request_id=next(self._ids), forked=True)
        self._waiting[True].put_back(job)

    def _end(self, job: Job, result: Any) -> None:
        """`result` is what `finish` returns, or an XappError."""
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
        if self.supervisor.state is WorkerState.FAILED:
            self._fail_all(self.supervisor.not_ready())
        self._pump()


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
