"""The server's end of one worker: typed messages out, token streams in.

Knows neither text nor models' names, and does not start a worker again: that is the supervisor's.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

import msgspec

from xapp.config import EngineSettings
from xapp.engine.link import Link
from xapp.engine.messages import (
    Cancel,
    Extend,
    FromWorker,
    LoadFailed,
    ModelInfo,
    Progress,
    Ready,
    Shutdown,
    Stats,
    StepEvents,
    Submit,
    Surveyed,
    ToWorker,
    Tuning,
    encode,
)
from xapp.engine.token_record import TokenRecord
from xapp.engine.token_stream import TokenStream
from xapp.engine.worker_process import WORKER_COMMAND, WorkerProcess, spawn
from xapp.errors import DeadlineExceeded, ModelError, Unavailable

MAX_UNSENT_BYTES = 16 * 1024 * 1024
DEADLINE_SLACK_S = 1.0
EXIT_PATIENCE_S = 2.0
RETRY_AFTER_S = 1.0
LOAD_RETRY_AFTER_S = 30.0
UNLOADING = "the model is being unloaded"


class StepObserver(Protocol):
    """Is told what each step brought, once a step: must be cheap."""

    def on_first_token(self, time_to_first_token_s: float) -> None:
        """A request's first token arrived, this long after the request."""
        ...

    def on_gaps(self, gaps_s: list[float]) -> None:
        """Tokens arrived, this long after the one before in their request."""
        ...


class EngineClient:
    """One worker process, from its start to its end. `load` first, `aclose` last.

    `lost` is done once the worker has ended, whatever the reason; its result says why. `info` is what it
    said of itself last; None before it was ready.
    """

    def __init__(
        self,
        model_path: str,
        settings: EngineSettings,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        observer: StepObserver | None = None,
    ) -> None:
        self._model_path = model_path
        self._settings = settings
        self._command = command
        self._observer = observer
        self.stats = Stats()
        self.info: ModelInfo | None = None
        self._records: dict[int, TokenRecord] = {}
        self._last_heard = monotonic()
        self._on_progress: Callable[[float], None] = lambda _: None
        self._process: WorkerProcess | None = None
        self._transport: asyncio.Transport | None = None
        self._reaper: asyncio.Task[None] | None = None
        self._closing = ""
        self._why = ""
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[ModelInfo] = loop.create_future()
        self.lost: asyncio.Future[Unavailable] = loop.create_future()

    @property
    def pid(self) -> int:
        """The worker's process id; 0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def num_open(self) -> int:
        """Requests whose last word from the worker is still to come."""
        return len(self._records)

    @property
    def silence_s(self) -> float:
        """How long a worker with work has said nothing; 0 when it has none."""
        return monotonic() - self._last_heard if self._records else 0.0

    async def load(
        self, on_progress: Callable[[float], None] | None = None, *, timeout_s: float = 600.0
    ) -> ModelInfo:
        """Starts the worker and waits until it can serve.

        Raises ModelError when the model cannot be served, Unavailable when the worker dies or takes
        longer than `timeout_s`. The worker has ended when this raises.
        """
        assert self._process is None
        if on_progress is not None:
            self._on_progress = on_progress
        try:
            return await self._start(timeout_s)
        except BaseException:
            await self.aclose()
            raise

    async def _start(self, timeout_s: float) -> ModelInfo:
        try:
            self._process, ours = await spawn(self._command, self._model_path, self._settings)
        except OSError as error:
            raise Unavailable(f"cannot start a worker: {error}", retry_after_s=RETRY_AFTER_S) from error
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(
            lambda: Link(self._on_message, self.kill, self._on_closed), sock=ours
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ready
        except TimeoutError:
            message = f"loading {self._model_path} took longer than XAPP_LOAD_TIMEOUT_S, {timeout_s:g} s"
            raise Unavailable(message, reason="LOAD_TIMEOUT", retry_after_s=LOAD_RETRY_AFTER_S) from None

    def submit(self, request: Submit) -> TokenStream:
        """Hands a request to the worker. Raises Unavailable when the worker cannot take it."""
        assert request.request_id not in self._records
        if self._closing or self._reaper is not None or not self._ready.done():
            raise Unavailable("the worker is not running", retry_after_s=RETRY_AFTER_S)
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            raise Unavailable(
                "the worker does not take requests now", reason="WORKER_STALLED", retry_after_s=RETRY_AFTER_S
            )
        record = TokenRecord(request, self.cancel, self.extend)
        stream = TokenStream(record, request)
        if request.deadline is not None:
            self._guard_deadline(stream, request.deadline)
        self._send(request)
        if not self._records:
            self._last_heard = monotonic()
        self._records[request.request_id] = record
        return stream

    def _guard_deadline(self, stream: TokenStream, deadline: float) -> None:
        # The worker ends a late request itself, between steps; this is for one that is stuck.
        error = DeadlineExceeded("the deadline passed and the worker did not answer")
        stream.fail_at(deadline + DEADLINE_SLACK_S, error)

    def cancel(self, request_id: int) -> None:
        """Asks the worker to end a request; ids it does not know are ignored."""
        if request_id in self._records:
            self._send(Cancel(request_id))

    def extend(self, request_id: int, deadline: float) -> None:
        """Gives a request a later deadline, unless it ends before the worker hears of it."""
        if request_id in self._records:
            self._send(Extend(request_id, deadline))

    def kill(self, why: str) -> None:
        """Ends the worker at once; `lost` follows and says `why`."""
        self._why = self._why or why
        if self._process is not None:
            self._process.kill()

    async def aclose(self, why: str = UNLOADING) -> None:
        """Ends the worker and every open stream, which hears `why`. Safe to call twice, and before `load`."""
        self._closing = self._closing or why
        if self._transport is not None:
            self._send(Shutdown())
            self._transport.close()
            self._on_closed()
        elif self._process is not None:
            self._process.kill()
            await self._process.reap(EXIT_PATIENCE_S)
        if self._reaper is not None:
            await asyncio.shield(self._reaper)

    def _send(self, message: ToWorker) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    # ---- what the worker says

    def _on_message(self, message: FromWorker) -> None:
        if type(message) is StepEvents:
            self._on_step(message)
        elif isinstance(message, Progress):
            self._on_progress(message.fraction)
        elif isinstance(message, Ready) and not self._ready.done():
            self.info = message.info
            self._ready.set_result(message.info)
        elif isinstance(message, Surveyed):
            self._on_surveyed(message.tuning)
        elif isinstance(message, LoadFailed) and not self._ready.done():
            self._ready.set_exception(ModelError(message.message, reason=message.reason))

    def _on_surveyed(self, tuning: Tuning) -> None:
        assert self.info is not None, "a worker is ready before it measures"
        curve = tuning.curve or self.info.curve
        self.info = msgspec.structs.replace(self.info, tuning=tuning, curve=curve, num_threads=tuning.threads)

    def _on_step(self, events: StepEvents) -> None:
        self._last_heard = monotonic()
        if events.curve is not None and self.info is not None:
            self.info = msgspec.structs.replace(self.info, curve=events.curve)
        if events.stats is not None:
            self.stats = events.stats
        for started in events.started:
            if (record := self._records.get(started.request_id)) is not None:
                record.on_started(started)
        if events.tokens:
            self._deliver(events.tokens, self._last_heard)
        for scored in events.scored:
            if (record := self._records.get(scored.request_id)) is not None:
                record.log_probabilities = scored.log_probabilities
        for finished in events.finished:
            if (record := self._records.pop(finished.request_id, None)) is not None:
                record.on_finished(finished)

    def _deliver(self, tokens: list[int], now: float) -> None:
        """The path of every token: keep it short."""
        records = self._records
        gaps = []
        pairs = iter(tokens)
        for request_id, token in zip(pairs, pairs, strict=True):
            record = records.get(request_id)
            if record is None:
                continue
            if record.first_at is None:
                self._on_first_token(record, now)
            else:
                gaps.append(now - record.last_at)
            record.last_at = now
            record.push(token)
        if gaps and self._observer is not None:
            self._observer.on_gaps(gaps)

    def _on_first_token(self, record: TokenRecord, now: float) -> None:
        record.first_at = now
        # Nobody waits for a pinned prefix: it says nothing about what callers see.
        if self._observer is not None and not record.request.pin:
            self._observer.on_first_token(now - record.request.arrival)

    # ---- the end

    def _on_closed(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        assert self._process is not None
        exit_story = await self._process.reap(EXIT_PATIENCE_S)
        why = self._why or exit_story
        if not self._ready.done():
            self._ready.set_exception(self._load_error(why))
        self.stats = Stats()
        # First: who reads a stream's error then finds that the model is not ready.
        self.lost.set_result(self._end_error(why))
        records, self._records = self._records, {}
        for record in records.values():
            record.fail(self._end_error(why))

    def _load_error(self, why: str) -> ModelError | Unavailable:
        """What native code asserts while it loads is about the file: trying again does not help."""
        if self._closing or self._process is None or not self._process.gave_up_at:
            return self._end_error(why)
        message = f"{self._model_path}: llama.cpp cannot run it: {self._process.gave_up_at}"
        return ModelError(message, reason="UNSUPPORTED_MODEL")

    def _end_error(self, why: str) -> Unavailable:
        if self._closing:
            return Unavailable(self._closing, reason="DRAINING", retry_after_s=RETRY_AFTER_S)
        return Unavailable(why, retry_after_s=RETRY_AFTER_S)
