"""EngineClient: the server's end of one worker. Sends typed messages, receives token streams.

It knows neither text nor names of models, and does not restart the worker: the supervisor does.
"""

from collections.abc import Sequence
from time import monotonic

import msgspec

from xapp.config import EngineSettings
from xapp.domain.kinds import GENERATE, ModelKind
from xapp.domain.messages import (
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
    Tuning,
    decode_from_worker,
)
from xapp.errors import DeadlineExceeded, ModelError, Unavailable
from xapp.telemetry.latency import ModelLatencies
from xapp.workers.process import WORKER_COMMAND
from xapp.workers.process_client import ProcessClient
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream

DEADLINE_SLACK_S = 1.0


class EngineClient(ProcessClient[ModelInfo]):
    """One worker process, from its start to its end. `load` first, `aclose` last.

    `info` is the worker's latest description of itself; None before it is ready. `latencies` records the
    times of tokens. `niceness`: how far the worker gives way.
    """

    def __init__(
        self,
        model_path: str,
        settings: EngineSettings,
        *,
        kind: ModelKind = GENERATE,
        command: Sequence[str] = WORKER_COMMAND,
        latencies: ModelLatencies | None = None,
        niceness: int = 0,
    ) -> None:
        arguments = (model_path, msgspec.json.encode(settings).decode(), kind.name)
        super().__init__("worker", model_path, command, arguments, niceness)
        self._latencies = latencies
        self.stats = Stats()
        self.info: ModelInfo | None = None
        self._records: dict[int, TokenRecord] = {}
        self._last_message_at = monotonic()
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        """Whether a token or the end of a request came."""
        return self._has_answered

    @property
    def num_open(self) -> int:
        """Requests without a final event from the worker."""
        return len(self._records)

    @property
    def silence_s(self) -> float:
        """Seconds without a message from a worker that has work; 0 without work."""
        return monotonic() - self._last_message_at if self._records else 0.0

    def submit(self, request: Submit) -> TokenStream:
        """Sends a request to the worker. Raises Unavailable when the worker cannot take it."""
        assert request.request_id not in self._records
        self._check_room()
        record = TokenRecord(request, self.cancel, self.extend)
        stream = TokenStream(record, request)
        if request.deadline is not None:
            self._guard_deadline(stream, request.deadline)
        self._send(request)
        if not self._records:
            self._last_message_at = monotonic()
        self._records[request.request_id] = record
        return stream

    def _guard_deadline(self, stream: TokenStream, deadline: float) -> None:
        # The worker itself ends a late request between steps. This timer is for a worker that is stuck.
        error = DeadlineExceeded("the deadline passed and the worker did not answer")
        stream.fail_at(deadline + DEADLINE_SLACK_S, error)

    def cancel(self, request_id: int) -> None:
        """Asks the worker to end a request. An unknown id is ignored."""
        if request_id in self._records:
            self._send(Cancel(request_id))

    def extend(self, request_id: int, deadline: float) -> None:
        """Postpones a request's deadline, unless the request ends before the worker reads this."""
        if request_id in self._records:
            self._send(Extend(request_id, deadline))

    # ---- messages from the worker

    def _decode(self, body: bytes) -> FromWorker:
        return decode_from_worker(body)

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
        self._last_message_at = monotonic()
        if events.curve is not None and self.info is not None:
            self.info = msgspec.structs.replace(self.info, curve=events.curve)
        if events.stats is not None:
            self.stats = events.stats
        for started in events.started:
            if (record := self._records.get(started.request_id)) is not None:
                record.on_started(started)
        for report in events.reports:
            if (record := self._records.get(report.request_id)) is not None:
                record.reports.append(report)
        if events.doubts:
            self._note_doubts(events.doubts)
        if events.tokens:
            self._has_answered = True
            self._deliver(events.tokens, self._last_message_at)
        self._on_results(events)
        for finished in events.finished:
            self._has_answered = True
            if (record := self._records.pop(finished.request_id, None)) is not None:
                record.on_finished(finished)

    def _on_results(self, events: StepEvents) -> None:
        """The results of requests that ask for no tokens."""
        for scored in events.scored:
            if (record := self._records.get(scored.request_id)) is not None:
                record.log_probabilities = scored.log_probabilities
                record.drawn = scored.tokens
        for embedded in events.embedded:
            if (record := self._records.get(embedded.request_id)) is not None:
                record.vectors += embedded.vectors

    def _note_doubts(self, doubts: list[int]) -> None:
        """Before the tokens themselves, so that a reader of a token knows."""
        pairs = iter(doubts)
        for request_id, place in zip(pairs, pairs, strict=True):
            if (record := self._records.get(request_id)) is not None:
                record.doubts.add(place)

    def _deliver(self, tokens: list[int], now: float) -> None:
        """Appends tokens to their records. This runs for every token, so it makes few calls."""
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
        if gaps and self._latencies is not None:
            self._latencies.add_gaps(gaps)

    def _on_first_token(self, record: TokenRecord, now: float) -> None:
        record.first_at = now
        # No caller waits for a pinned prefix, or again for the first token of an answer.
        if self._latencies is not None and not record.request.pin and not record.request.continues:
            self._latencies.add_first_token(now - record.request.arrival)

    # ---- the end

    def _before_close(self) -> None:
        self._send(Shutdown())

    def _on_end(self, error: Unavailable) -> None:
        self.stats = Stats()
        records, self._records = self._records, {}
        for record in records.values():
            record.fail(error)
