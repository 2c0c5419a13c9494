"""A node on virtual time: admission, predictions and the real engine, whose decodes take fake time.

Requests come while a step is computed, as they do where server and worker are two processes: what
admission knows is what the worker said last.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast

import msgspec

from tests.engine.harness import Clock, TimedBackend
from xapp.admission.admission import Admission
from xapp.admission.admitted_request import AdmittedRequest
from xapp.admission.estimate import estimate
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quotas
from xapp.admission.turn import Order
from xapp.config import EngineSettings
from xapp.domain.answers import Estimate, Finished
from xapp.domain.messages import FinishReason, SequenceFinished, SequenceStarted, StepEvents, Submit
from xapp.domain.power import HeatOutlook
from xapp.engine.engine import Engine
from xapp.errors import Exhausted
from xapp.workers.token_stream import TokenStream

SLOTS = 8


@dataclass(frozen=True)
class Wanted:
    """A request that comes `at` that second and is due `within_s` of it; `tokens` are generated.

    If it is let in, the step after that takes `stall_s` longer. With `most` the caller only bounds the
    answer, which ends by itself; `text` is what admission sees of the prompt.
    """

    at: float
    prompt: int
    tokens: int
    within_s: float = 1e6
    stall_s: float = 0.0
    most: int = 0
    text: str = ""


@dataclass(eq=False)
class Answer:
    """What became of it, in the shape of a stream that predictions follow."""

    wanted: Wanted
    request: Submit
    admitted: AdmittedRequest
    held: ExitStack
    estimated: Estimate
    started: SequenceStarted | None = None
    finished: SequenceFinished | None = None
    first_at: float | None = None
    num_tokens: int = 0
    joined_at: None = None

    @property
    def took_s(self) -> float:
        assert self.finished is not None
        return self.finished.at - self.request.arrival

    @property
    def good(self) -> bool:
        """Whole and in time: nothing else is."""
        assert self.finished is not None
        return self.finished.reason is FinishReason.LENGTH


@dataclass
class VirtualNode:
    """`answers` of all that were admitted, and how many were not.

    At speed 1 a step takes 10 ms, a token in it 3.
    """

    by_deadline: bool = True
    speed: float = 1.0
    order: Order = "arrival"
    by_prompt: bool = True
    answers: list[Answer] = field(default_factory=list)
    num_refused: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock()
        settings = EngineSettings(slots=SLOTS, kv_cells=8192)
        self.backend = TimedBackend(settings, 2 * SLOTS, self.clock)
        self.backend.step_seconds /= self.speed
        self.backend.token_seconds /= self.speed
        self.engine = Engine(self.backend, clock=self.clock)
        self._stats = self.engine.stats()
        info = TimedBackend(settings, 2 * SLOTS, self.clock).info
        self._admission = Admission(
            "virtual",
            SLOTS + 64,
            Predictor(lambda: info, lambda: self._stats, self.clock, self.outlook, by_prompt=self.by_prompt),
            Quotas({}, self.clock),
            by_deadline=self.by_deadline,
            order=self.order,
            clock=self.clock,
        )
        self._open: dict[int, Answer] = {}
        self._last_id = 0

    def outlook(self) -> HeatOutlook:
        return HeatOutlook()

    def open_loop(self, wanted: Sequence[Wanted]) -> None:
        """They come when they come, ascending; returns when all that were admitted have ended."""
        start = self.clock.now
        coming = list(reversed(wanted))
        while coming or self.engine.has_work:
            if not self.engine.has_work:
                self.clock.now = max(self.clock.now, start + coming[-1].at)
                events = StepEvents(stats=self._stats)
            else:
                events = self.engine.step()
            submits = list(self._arriving(coming, start))
            self.tell(events)
            for submit in submits:
                self.engine.submit(submit)

    def closed_loop(self, wanted: Sequence[Wanted], num_callers: int) -> None:
        """Each caller asks for the next one as soon as it has its answer."""
        todo = list(reversed(wanted))
        while todo or self._open:
            while todo and len(self._open) < num_callers:
                if submit := self.ask(todo.pop()):
                    self.engine.submit(submit)
            self.tell(self.engine.step())

    def _arriving(self, coming: list[Wanted], start: float) -> Iterator[Submit]:
        now = self.clock.now
        while coming and start + coming[-1].at <= now:
            self.clock.now = start + coming[-1].at
            if submit := self.ask(coming.pop()):
                yield submit
        self.clock.now = now

    def ask(self, wanted: Wanted) -> Submit | None:
        """The request for the engine, or None where admission refuses it."""
        now = self.clock.now
        self._last_id += 1
        request = AdmissionRequest(
            now,
            now + wanted.within_s,
            wanted.most or wanted.tokens,
            exact=not wanted.most,
            num_bytes=4 * wanted.prompt,
            text=wanted.text,
        )
        submit = Submit(
            self._last_id,
            [self._last_id] * wanted.prompt,
            wanted.tokens,
            ignore_eos=True,
            arrival=now,
            deadline=request.deadline,
        )
        asked = msgspec.structs.replace(submit, max_tokens=request.max_tokens)
        estimated = estimate(self._admission, request, asked)
        with ExitStack() as held:
            try:
                admitted = held.enter_context(self._admission.enter(request))
                admitted.tokenized(asked.prompt, asked.max_tokens)
            except Exhausted:
                self.num_refused += 1
                return None
            answer = Answer(wanted, submit, admitted, held, estimated)
            held.enter_context(admitted.following(cast("TokenStream", answer)))
            answer.held = held.pop_all()
        self._open[submit.request_id] = answer
        self.backend.stall_s += wanted.stall_s
        return answer.admitted.placed(submit)

    def tell(self, events: StepEvents) -> None:
        """What the worker said reaches admission."""
        for started in events.started:
            self._open[started.request_id].started = started
        for request_id in events.tokens[::2]:
            answer = self._open[request_id]
            answer.num_tokens += 1
            answer.first_at = answer.first_at or self.clock.now
        for finished in events.finished:
            self._end(self._open.pop(finished.request_id), finished)
        assert events.stats is not None
        self._stats = events.stats

    def _end(self, answer: Answer, finished: SequenceFinished) -> None:
        answer.finished = finished
        if answer.good:
            assert finished.first_token_at is not None
            first_s = finished.first_token_at - answer.request.arrival
            decode_s = finished.at - finished.first_token_at
            reason = FinishReason.STOP if answer.wanted.most else finished.reason
            answer.admitted.finished = Finished(
                reason, answer.wanted.prompt, 0, answer.num_tokens, 0.0, first_s, decode_s, first_s
            )
        answer.held.close()
        self.answers.append(answer)
