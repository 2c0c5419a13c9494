"""An engine on a fake backend and a fake clock, checked after every step against what must always hold."""

import zlib
from array import array
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Tokens
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from xapp.backend.base import Batch, Sampler
from xapp.backend.fake import FakeBackend
from xapp.backend.fake_rule import END_TOKEN, hidden_state, log_probability
from xapp.config import EngineSettings
from xapp.domain.messages import (
    END_OF_ANSWER,
    FinishReason,
    Priority,
    SequenceFinished,
    SequenceStarted,
    StepEvents,
    Submit,
)
from xapp.engine.branches import Branch
from xapp.engine.engine import Engine
from xapp.engine.kv_cache import KVCache
from xapp.engine.lookout import Watch
from xapp.engine.plan import Plan
from xapp.engine.prefix_match import NO_MATCH, Match
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.score import Score
from xapp.engine.strategies.strategy import Strategy
from xapp.steps.pace import ISOLATED_CHUNK, LONGEST_ALONE_S, MIN_CHUNK


def rule(tokens: Tokens[int]) -> int:
    """The next token depends on every token before it; about one in 12 ends the answer."""
    digest = zlib.crc32(array("i", tokens).tobytes())
    return END_TOKEN if digest % 12 == 0 else digest % 256


def expected(request: Submit) -> tuple[list[int], FinishReason]:
    """What a request must bring when nothing ends it early, whatever else runs."""
    tokens = list(request.prompt)
    while len(tokens) < len(request.prompt) + request.max_tokens:
        token = rule(tokens)
        if token == END_TOKEN and not request.ignore_eos:
            return tokens[len(request.prompt) :], FinishReason.STOP
        tokens.append(token)
    return tokens[len(request.prompt) :], FinishReason.LENGTH


def expected_scores(request: Submit) -> list[list[float]]:
    """The same of a request with choices."""
    return [
        [log_probability([*request.prompt, *choice[:index]], token) for index, token in enumerate(choice)]
        for choice in request.choices
    ]


def expected_verification(request: Submit) -> tuple[list[int], list[list[float]]]:
    """The tokens and the log-probabilities that a verification brings."""
    assert request.verify is not None
    tokens, drawn, scores = list(request.prompt), [], []
    for draft in [*request.verify.drafts, None]:
        token = rule(tokens)
        drawn.append(END_OF_ANSWER if token == END_TOKEN and not request.ignore_eos else token)
        if draft is None or (request.verify.exact and token != draft):
            break
        scores.append(log_probability(tokens, draft))
        tokens.append(draft)
    return drawn, [[] if request.verify.exact else scores]


def branches_of(sequence: Sequence) -> list[Branch]:
    strategy = sequence.strategy
    return strategy.branches if isinstance(strategy, Score) else []


NewStrategy = Callable[[KVCache], Strategy[Sequence]]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TimedBackend(FakeBackend):
    """A decode takes fake time."""

    def __init__(self, settings: EngineSettings, num_sequences: int, clock: Clock, **fields: int) -> None:
        super().__init__(settings, num_sequences=num_sequences, rule=rule, **fields)
        self.clock = clock
        self.step_seconds, self.token_seconds = 0.01, 0.003
        self.stall_s = 0.0
        """What the next decode takes longer."""

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        tokens = super().decode(batch, samplers)
        self.clock.now += self.step_seconds + self.token_seconds * len(batch) + self.stall_s
        self.stall_s = 0.0
        return tokens


class Hasty:
    """Ends every step that it is asked to look out over while `ends` is set."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend
        self.ends = False
        self.watches: list[Watch] = []

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[None]:
        self.watches.append(watch)
        if self.ends:
            self._backend.interrupt.set()
        try:
            yield
        finally:
            self._backend.interrupt.clear()


@dataclass
class Answer:
    """All that was said about one request."""

    request: Submit
    tokens: list[int] = field(default_factory=list)
    scores: list[list[float]] | None = None
    drawn: list[int] = field(default_factory=list)
    doubts: list[int] = field(default_factory=list)
    state: list[float] | None = None
    started: SequenceStarted | None = None
    finished: SequenceFinished | None = None

    @property
    def reason(self) -> FinishReason | None:
        return self.finished.reason if self.finished else None


class Harness:
    """`num_sequences` ids, 0 for twice the slots. Any broken invariant is an AssertionError."""

    def __init__(
        self,
        *,
        slots: int = 4,
        cells: int = 512,
        num_sequences: int = 0,
        max_batch: int = 64,
        budget_ms: float = 100.0,
        context: int = 4096,
        prefix_cache: bool = True,
        branches: int = 8,
        probes: int = 16,
        steady: int = 0,
        ageing_s: float = 30.0,
        shares_prefixes: bool = True,
        strategy: NewStrategy | None = None,
    ) -> None:
        settings = EngineSettings(
            slots=slots, kv_cells=cells, context_length=context, step_budget_ms=budget_ms
        )
        self.clock = Clock()
        self.backend = TimedBackend(
            settings,
            num_sequences or 2 * slots,
            self.clock,
            num_branches=branches,
            num_probes=probes,
            num_steady=steady,
        )
        self.backend._info = msgspec.structs.replace(self.backend.info, shares_prefixes=shares_prefixes)
        self.lookout = Hasty(self.backend)
        self.engine = Engine(
            self.backend,
            max_batch=max_batch,
            prefix_cache=prefix_cache,
            ageing_s=ageing_s,
            lookout=self.lookout,
            clock=self.clock,
        )
        if strategy is not None:
            self._use(strategy)
        self.num_spare = strategy(self.engine._kv_cache).num_spare if strategy else 0
        self.max_batch = max_batch
        self.slots = slots
        self.budget_s = budget_ms / 1000
        self.cache: KVCache = self.engine._kv_cache
        self.scheduler = self.engine._scheduler
        self.answers: list[Answer] = []
        self.plans: list[Plan] = []
        self._matches: dict[int, Match] = {}
        self._watch()

    def _use(self, strategy: NewStrategy) -> None:
        """For all requests that generate and may share."""
        choose = self.engine._strategies.choose

        def chosen(request: Submit) -> Strategy[Sequence]:
            plain = request.choices or request.deterministic or request.verify
            return choose(request) if plain else strategy(self.engine._kv_cache)

        self.engine._strategies.choose = chosen  # type: ignore[method-assign]

    def _watch(self) -> None:
        schedule, match = self.scheduler.schedule, self.cache.match

        def watched_schedule(now: float) -> Plan:
            self._matches.clear()
            plan = schedule(now)
            self._check_plan(plan)
            self.plans.append(plan)
            return plan

        def watched_match(sequence: Sequence) -> Match:
            found = self._matches[sequence.request.request_id] = match(sequence)
            return found

        self.scheduler.schedule = watched_schedule  # type: ignore[method-assign]
        self.cache.match = watched_match  # type: ignore[method-assign]

    def submit(self, prompt: Tokens[int], max_tokens: int = 4, **fields: object) -> Answer:
        values = {"arrival": self.clock.now, **fields}
        request = Submit(len(self.answers), list(prompt), max_tokens, **values)  # type: ignore[arg-type]
        answer = Answer(request)
        self.answers.append(answer)
        self.engine.submit(request)
        return answer

    def score(self, prompt: Tokens[int], choices: Tokens[Tokens[int]], **fields: object) -> Answer:
        longest = max(map(len, choices))
        return self.submit(prompt, longest, choices=[list(choice) for choice in choices], **fields)

    def cancel(self, answer: Answer) -> None:
        self.engine.cancel(answer.request.request_id)

    def step(self) -> StepEvents:
        waiting = bool(self.scheduler.queues.waiting or self.scheduler.queues.running)
        before = self._num_computed
        events = self.engine.step()
        self._read(events)
        self._check_cells()
        still = bool(self.scheduler.queues.waiting or self.scheduler.queues.running)
        moved = self._num_computed > before or events.finished
        assert moved or not (waiting and still), "work waits, nothing runs"
        return events

    def step_interrupted(self) -> StepEvents:
        """A step that is ended before it is computed, where it may be."""
        self.lookout.ends = True
        try:
            return self.step()
        finally:
            self.lookout.ends = False

    @property
    def _num_computed(self) -> int:
        return len(self.backend.batches) + self.engine.stats().total_interrupted

    def drain(self, limit: int = 5000) -> None:
        """Steps until nothing is left; every request must then have ended as it must."""
        for _ in range(limit):
            if not self.engine.has_work:
                break
            self.step()
        assert not self.engine.has_work
        for answer in self.answers:
            self._check_answer(answer)
        assert not self.backend.live_samplers
        assert self.cache.reserved == 0

    def _read(self, events: StepEvents) -> None:
        for started in events.started:
            answer = self.answers[started.request_id]
            assert answer.started is None
            assert answer.finished is None
            answer.started = started
        pairs = iter(events.tokens)
        for request_id, token in zip(pairs, pairs, strict=True):
            answer = self.answers[request_id]
            assert answer.started is not None
            assert answer.finished is None
            answer.tokens.append(token)
        pairs = iter(events.doubts)
        for request_id, place in zip(pairs, pairs, strict=True):
            self.answers[request_id].doubts.append(place)
        for scored in events.scored:
            answer = self.answers[scored.request_id]
            assert answer.scores is None
            assert answer.finished is None
            answer.scores = scored.log_probabilities
            answer.drawn = scored.tokens
        for embedded in events.embedded:
            answer = self.answers[embedded.request_id]
            assert (answer.state, answer.finished) == (None, None)
            assert embedded.whole
            answer.state = array("f", embedded.vectors).tolist()
        for finished in events.finished:
            answer = self.answers[finished.request_id]
            assert answer.finished is None, "ended twice"
            answer.finished = finished

    def _check_plan(self, plan: Plan) -> None:
        assert len(plan.batch) <= self.max_batch
        assert len(plan.batch.probes) <= self.backend.num_probes
        scores = any(part[0].request.choices for part in plan.parts)
        most = max(self.backend.num_steady, plan.num_decode + MIN_CHUNK)
        assert not (scores and self.backend.num_steady) or len(plan.batch) <= most
        assert len(self.scheduler.queues.running) <= self.slots
        if plan.batch.isolated:
            self._check_isolated(plan)
        else:
            self._check_decodes(plan)
        self._check_classes()
        budget = self.budget_s if plan.num_decode else LONGEST_ALONE_S
        predicted = self.engine._step_time.predict(plan.num_decode, plan.num_prefill, plan.batch.num_read)
        assert plan.num_prefill <= MIN_CHUNK or predicted <= budget * (1 + 1e-9)
        for sequence in plan.admitted:
            for waiting in self.scheduler.queues.waiting:
                # Only one that waits for its prefix, or a promoted one that waits for cells, may be passed.
                passed = waiting.order < sequence.order and sequence.promoted_at is None
                match = self._matches.get(waiting.request.request_id, NO_MATCH)
                isolated = waiting.isolated and self.cache.isolated.sequence is not waiting
                assert not passed or waiting.promoted_at or match.pending or isolated

    def _check_isolated(self, plan: Plan) -> None:
        """One sequence, in steps that follow from it alone, and never two in a row while others may go on."""
        sequence = self.cache.isolated.sequence
        assert sequence is not None
        assert sequence in self.scheduler.queues.running
        assert [part[0] for part in plan.parts] == [sequence]
        start, count = sequence.num_computed, len(plan.batch)
        assert plan.batch.tokens == sequence.tokens[start : start + count]
        in_prompt = start < sequence.num_prompt
        assert count == (min(ISOLATED_CHUNK, self.max_batch, sequence.num_prompt - start) if in_prompt else 1)
        others = [
            each for each in self.scheduler.queues.running if each is not sequence and not each.request.pin
        ]
        critical = any(each.request.priority is Priority.CRITICAL for each in self.scheduler.queues.running)
        assert critical or not others or not (self.plans and self.plans[-1].batch.isolated)

    def _check_decodes(self, plan: Plan) -> None:
        """Nobody who decodes is left out, but for a critical prompt."""
        sharing = [each for each in self.scheduler.queues.running if not each.isolated]
        decoding = [each for each in sharing if each.status is Status.DECODE]
        prompts = [each for each in self.scheduler.queues.running if each.status is not Status.DECODE]
        must = decoding
        if any(each.request.priority is Priority.CRITICAL for each in prompts):
            must = [each for each in decoding if each.request.priority is Priority.CRITICAL]
        taken = {part[0].request.request_id for part in plan.parts[: plan.num_decoding]}
        assert len(taken) == plan.num_decoding
        own_drafts = [index for index in plan.batch.drafts if index < plan.num_decode]
        assert plan.num_decode == plan.num_decoding + len(own_drafts)
        assert {each.request.request_id for each in must} <= taken
        assert taken <= {each.request.request_id for each in decoding}

    def _check_classes(self) -> None:
        """Nobody waits for one of a lower class who could make way."""
        waiting = (
            each for each in self.scheduler.queues.waiting if not self.scheduler._waits_for_isolated(each)
        )
        head = next(waiting, None)
        if head is None or self._matches.get(head.request.request_id, NO_MATCH).pending:
            return
        lower = [
            each for each in self.scheduler.queues.running if self.scheduler.preemption.may_take(head, each)
        ]
        lasting = [each for each in self.scheduler.queues.running if each not in lower]
        cells = sum(each.cells_needed for each in [head, *lasting] if not each.isolated)
        assert not lower or cells > self.cache.total

    def _check_cells(self) -> None:
        cache, backend = self.cache, self.backend
        assert backend.used == cache.used <= cache.total
        assert 0 <= cache.reserved <= cache.total - cache.used
        running = self.scheduler.queues.running
        held = [*running, *(each for each in self.scheduler.queues.waiting if each.paused)]
        alive = self.engine._sequences.values()
        begun = [each for each in alive if each.started_at is not None and each.strategy.draws]
        assert len(backend.live_samplers) == len(begun)
        lent = {}
        isolated = [sequence for sequence in held if sequence.isolated]
        assert isolated == ([cache.isolated.sequence] if cache.isolated.sequence else [])
        computed = [token for each in isolated for token in each.tokens[: each.num_computed]]
        assert (backend.isolated or []) == computed
        held = [sequence for sequence in held if not sequence.isolated]
        for sequence in held:
            assert sequence.seq_id is not None
            behind = getattr(sequence.strategy, "held", [])
            lent[sequence.seq_id] = [*sequence.tokens, *behind][: sequence.num_computed]
            lent |= {
                branch.seq_id: sequence.request.prompt + branch.tokens[: branch.num_computed]
                for branch in branches_of(sequence)
            }
        assert len(lent) == len(held) + sum(len(branches_of(sequence)) for sequence in held)
        assert not lent.keys() & cache._prefixes.cached.keys()
        lent |= cache._prefixes.cached
        for seq_id in range(backend.num_sequences + backend.num_branches):
            assert backend.content(seq_id) == lent.get(seq_id, [])
            assert cache._pool.length(seq_id) == len(lent.get(seq_id, []))

    def _check_answer(self, answer: Answer) -> None:
        finished, request = answer.finished, answer.request
        assert finished is not None, "never ended"
        if request.choices:
            self._check_scores(answer, finished)
            return
        if request.verify is not None:
            self._check_verified(answer, finished)
            return
        if request.hidden_state:
            self._check_state(answer, finished)
            return
        assert finished.num_completion_tokens == len(answer.tokens)
        tokens, reason = expected(request)
        if finished.reason in {FinishReason.CANCELLED, FinishReason.EXPIRED}:
            assert answer.tokens == tokens[: len(answer.tokens)]
        elif finished.reason is FinishReason.NO_MEMORY:
            assert request.deterministic
            assert not self.backend.isolated_fits
        elif self._cells_needed(request) > self.cache.total:
            assert (answer.started, answer.tokens, finished.reason) == (None, [], FinishReason.LENGTH)
        else:
            assert (answer.tokens, finished.reason) == (tokens, reason)
        cached = answer.started.num_cached_tokens if answer.started else 0
        assert finished.num_cached_tokens == cached < len(request.prompt)

    def _cells_needed(self, request: Submit) -> int:
        spare = 0 if request.deterministic else self.num_spare
        return len(request.prompt) + request.max_tokens - 1 + spare

    def _check_verified(self, answer: Answer, finished: SequenceFinished) -> None:
        assert not answer.tokens
        if finished.reason is FinishReason.STOP:
            assert (answer.drawn, answer.scores) == expected_verification(answer.request)
            assert finished.num_completion_tokens == len(answer.drawn)
        else:
            assert answer.scores is None

    def _check_state(self, answer: Answer, finished: SequenceFinished) -> None:
        assert not answer.tokens
        assert finished.num_completion_tokens == 0
        right = hidden_state(answer.request.prompt) if finished.reason is FinishReason.STOP else None
        assert answer.state == right

    def _check_scores(self, answer: Answer, finished: SequenceFinished) -> None:
        request = answer.request
        assert not answer.tokens
        if finished.reason is FinishReason.STOP:
            assert answer.scores == expected_scores(request)
            assert finished.num_completion_tokens == sum(map(len, request.choices))
        elif finished.reason is FinishReason.LENGTH:
            assert len(request.prompt) + request.max_tokens - 1 > self.cache.total
        else:
            assert finished.reason in {FinishReason.CANCELLED, FinishReason.EXPIRED}
            assert answer.scores is None
        cached = answer.started.num_cached_tokens if answer.started else 0
        assert finished.num_cached_tokens == cached < len(request.prompt)
