"""Engine: continuous batching over one backend. It knows tokens, not text; requests, not connections.

    step():  schedule → decode → update

Sequences join and leave between steps.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from time import monotonic

from xapp.backend.base import Backend, Interrupted, Outcome
from xapp.backend.reporting import Reporting
from xapp.domain.messages import FinishReason, SequenceStarted, Stats, StepEvents, Submit, TokenReport, Tuning
from xapp.engine.kv_cache import KVCache
from xapp.engine.lookout import ANY_EVENT, Lookout, NoLookout, watch_for
from xapp.engine.plan import Plan
from xapp.engine.scheduler import Scheduler
from xapp.engine.sequence import Sequence, Status
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.table import Strategies
from xapp.engine.survey import Survey
from xapp.steps.pace import Pace
from xapp.steps.step_cost import DEFAULT_CURVE

FORGOTTEN_DEADLINES = 64
"""Deadlines of ended requests that are kept, beyond the number of open requests."""
CURVE_STEPS = 64
"""After so many steps the server gets the current step times."""

NOTHING_READ: list[list[float]] = []


class Engine:
    """Used by one thread.

    `max_batch`: tokens of a step, at least one for each slot. `clock`: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        max_batch: int = 512,
        prefix_cache: bool = True,
        ageing_s: float = 30.0,
        step_time: StepTime | None = None,
        lookout: Lookout | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        info = backend.info
        assert max_batch >= info.num_slots, "every slot may decode in one batch"
        self._backend = backend
        self._clock = clock
        self._context_length = info.context_length
        self._step_time = step_time or StepTime(info.curve or DEFAULT_CURVE, info.apart_from)
        self._lookout = lookout or NoLookout()
        self._kv_cache = KVCache(backend, info.kv_cells_total, reuse=prefix_cache, max_batch=max_batch)
        self._scheduler = Scheduler(
            self._kv_cache,
            self._step_time,
            num_slots=info.num_slots,
            num_drafts=backend.num_probes,
            pace=Pace(info.step_budget_s, info.prefill_share, max_batch),
            ageing_s=ageing_s,
        )
        self._strategies = Strategies(backend, self._kv_cache, self._step_time, clock)
        self._survey = Survey(backend)
        self._sequences: dict[int, Sequence] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._events = StepEvents()
        self._prefill_tokens = self._cached_tokens = self._decode_tokens = 0
        self._steps = self._interrupted_steps = 0
        self._step_seconds = 0.0
        self._drafted = self._accepted = self._draft_steps = 0

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._sequences or self._events.finished)

    @property
    def may_survey(self) -> bool:
        """Whether idle time can be used to measure the model."""
        return not self._survey.done

    def survey(self) -> Tuning | None:
        """Measures one step of the model for `step_cost`. Returns the tuning once the survey is complete.

        To be called while there is no work. A message from the server ends the step.
        """
        assert not self.has_work, "requests go first"
        try:
            with self._lookout.watching(ANY_EVENT):
                tuning = self._survey.advance(self._kv_cache.free)
        except Interrupted:
            return None
        if tuning is not None and tuning.curve is not None:
            self._step_time.replace_curve(tuning.curve)
        return tuning

    def submit(self, request: Submit) -> None:
        """Queues a request. Its answer ends with a SequenceFinished, whatever happens.

        A request that can never fit ends at once, with LENGTH.
        """
        assert request.request_id not in self._sequences, "request ids are used once"
        assert request.prompt, "an empty prompt has no next token"
        sequence = Sequence(request, self._strategies.choose(request))
        self._sequences[request.request_id] = sequence
        if request.deadline is not None:
            self._watch_deadline(request.deadline, request.request_id)
        self._scheduler.add(sequence, self._clock())
        if sequence.cells_needed > min(self._kv_cache.total, self._context_length):
            self._finish(sequence, FinishReason.LENGTH, self._clock())

    def _watch_deadline(self, deadline: float, request_id: int) -> None:
        if len(self._deadlines) > 2 * len(self._sequences) + FORGOTTEN_DEADLINES:
            # Deadlines of requests that ended in time, and replaced deadlines, would stay until they pass.
            self._deadlines = [entry for entry in self._deadlines if self._is_current(*entry)]
            heapify(self._deadlines)
        heappush(self._deadlines, (deadline, request_id))

    def _is_current(self, deadline: float, request_id: int) -> bool:
        sequence = self._sequences.get(request_id)
        return sequence is not None and sequence.deadline == deadline

    def extend(self, request_id: int, deadline: float) -> None:
        """Postpones a request's deadline without changing its order. An unknown id is ignored."""
        sequence = self._sequences.get(request_id)
        if sequence is not None and sequence.deadline is not None and sequence.deadline < deadline:
            sequence.extended_to = deadline
            self._watch_deadline(deadline, request_id)

    def cancel(self, request_id: int) -> None:
        """Ends a request at once; its slot is free in the next step. An unknown id is ignored."""
        if sequence := self._sequences.get(request_id):
            self._finish(sequence, FinishReason.CANCELLED, self._clock())

    def step(self) -> StepEvents:
        """One decode for all sequences that can run; returns everything that happened since the last step."""
        began = self._clock()
        self._expire(began)
        plan = self._scheduler.schedule(began)
        self._start(plan, began)
        if len(plan.batch):
            self._compute(plan, began)
        return self._take_events()

    def _compute(self, plan: Plan, began: float) -> None:
        isolated = self._kv_cache.isolated
        if plan.batch.isolated and isolated.sequence is not None and not isolated.open():
            self._finish(isolated.sequence, FinishReason.NO_MEMORY, began)
            return
        decoding = self._clock()
        try:
            tokens = self._decode(plan)
        except Interrupted:
            self._interrupted_steps += 1
            for prompt in plan.prompts:
                prompt.interrupted = True
            return
        read = self._backend.log_probabilities(plan.batch) if plan.batch.probes else []
        self._update(plan, tokens, read, began, decoding)

    def _decode(self, plan: Plan) -> list[int]:
        """Raises Interrupted when an urgent message arrived. Nothing is computed then."""
        samplers = [sequence.sampler for sequence in plan.outputs]
        if not plan.num_prefill or plan.batch.isolated:
            return self._backend.decode(plan.batch, samplers)
        predicted_s = self._step_time.predict(plan.num_decode, plan.num_prefill, plan.batch.num_read)
        watch = watch_for(plan, predicted_s)
        if watch is None:
            return self._backend.decode(plan.batch, samplers)
        with self._lookout.watching(watch):
            return self._backend.decode(plan.batch, samplers)

    def _expire(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, request_id = heappop(self._deadlines)
            if self._is_current(deadline, request_id):
                self._finish(self._sequences[request_id], FinishReason.EXPIRED, now)

    def _start(self, plan: Plan, now: float) -> None:
        for sequence in plan.admitted:
            request = sequence.request
            if sequence.strategy.draws:
                sampling, prompt, scope = request.sampling, request.prompt, request.scope
                sequence.sampler = self._backend.new_sampler(sampling, prompt, scope)
            sequence.started_at, sequence.began_s = now, self._step_seconds
            self._cached_tokens += sequence.num_cached
            self._events.started.append(SequenceStarted(request.request_id, now, sequence.num_cached))

    def _update(
        self, plan: Plan, tokens: list[int], read: list[list[float]], began: float, decoding: float
    ) -> None:
        now = self._clock()
        # The time of admission, for instance of restoring a parked prefix, is not part of a prompt token's
        # price.
        self._step_time.observe(plan.num_decode, plan.num_prefill, now - decoding, plan.batch.num_read)
        self._count(plan, now - began)
        token_s = (now - began) / len(plan.batch)
        for sequence, count, _, _ in plan.parts:
            self._kv_cache.computed(sequence, count)
            sequence.steps_s += count * token_s
        if plan.num_prefill:
            for prompt in plan.prompts:
                prompt.interrupted = False
        self._advance(plan, tokens, read, now)

    def _advance(self, plan: Plan, tokens: list[int], read: list[list[float]], now: float) -> None:
        """Passes each sequence the outputs of its part of the plan."""
        drawn = probed = 0
        answers = NOTHING_READ
        for sequence, _, num_outputs, num_probes in plan.parts:
            some = tokens[drawn : drawn + num_outputs]
            if num_probes:
                answers = read[probed : probed + num_probes]
                probed += num_probes
            elif not num_outputs:
                continue
            drawn += num_outputs
            if accepted := sequence.strategy.update(sequence, some, answers):
                self._append(sequence, accepted, now)
            elif sequence.result is not None:
                self._events.scored.append(sequence.result)
                self._finish(sequence, FinishReason.STOP, now)
            answers = NOTHING_READ

    def _count(self, plan: Plan, seconds: float) -> None:
        self._prefill_tokens += plan.num_prefill
        self._steps += 1
        self._step_seconds += seconds

    def _append(self, sequence: Sequence, tokens: list[int], now: float) -> None:
        """Appends tokens to the answer, up to its end. The sampler's outcome is that of the last token."""
        self._decode_tokens += len(tokens)
        if sequence.doubts:
            self._report_doubts(sequence)
        if sequence.status is Status.PREFILL:
            sequence.status = Status.DECODE
            sequence.first_token_at = sequence.first_token_at or now
        before = len(sequence.tokens)
        outcome = sequence.sampler.outcome
        if outcome is Outcome.OPEN:
            reason = self._take(sequence, tokens)
        else:
            reason = self._take_last(sequence, tokens, outcome)
        if sequence.request.sampling.top_log_probabilities is not None:
            self._report(sequence, len(sequence.tokens) - before)
        if reason is not None:
            self._finish(sequence, reason, now)

    def _report(self, sequence: Sequence, count: int) -> None:
        """Sends the reports of the `count` appended tokens. A token that ends the answer has none."""
        assert isinstance(sequence.sampler, Reporting), "the backend reports what is asked for"
        request_id = sequence.request.request_id
        reports = sequence.sampler.take_reports()[:count]
        self._events.reports += [TokenReport(request_id, *report) for report in reports]

    def _report_doubts(self, sequence: Sequence) -> None:
        request_id = sequence.request.request_id
        self._events.doubts += (each for place in sequence.doubts for each in (request_id, place))
        sequence.doubts.clear()

    def _take_last(self, sequence: Sequence, tokens: list[int], outcome: Outcome) -> FinishReason:
        """Like `_append`, where the last token ends the answer. With STUCK the last token does not count."""
        if reason := self._take(sequence, tokens[:-1]):
            return reason
        if outcome is Outcome.STUCK:
            return FinishReason.STUCK
        self._take(sequence, tokens[-1:])
        return FinishReason.STOP

    def _take(self, sequence: Sequence, tokens: list[int]) -> FinishReason | None:
        """Appends the tokens. Returns the finish reason, or None where the answer may continue."""
        request, answer, events = sequence.request, sequence.tokens, self._events.tokens
        request_id, ignores_end = request.request_id, request.ignore_eos
        for token in tokens:
            if not ignores_end and self._backend.is_end(token):
                return FinishReason.STOP
            answer.append(token)
            events.append(request_id)
            events.append(token)
            if len(answer) == len(request.prompt) + request.max_tokens:
                return FinishReason.LENGTH
        return None

    def _finish(self, sequence: Sequence, reason: FinishReason, now: float) -> None:
        request, strategy = sequence.request, sequence.strategy
        self._drafted += strategy.num_drafted
        self._accepted += strategy.num_accepted
        self._draft_steps += strategy.num_draft_steps
        del self._sequences[request.request_id]
        self._scheduler.remove(sequence)
        sequence.status = Status.FINISHED
        sequence.finish_reason = reason
        sequence.sampler.close()
        self._events.finished.append(sequence.finished_event(now, self._step_seconds))

    def _take_events(self) -> StepEvents:
        events, self._events = self._events, StepEvents()
        events.stats = self.stats()
        if self._steps % CURVE_STEPS == 1:
            events.curve = self._step_time.curve
        return events

    def stats(self) -> Stats:
        """The current state."""
        return Stats(
            len(self._scheduler.running),
            len(self._scheduler.waiting),
            self._kv_cache.used,
            self._kv_cache.total,
            self._prefill_tokens,
            self._cached_tokens,
            self._decode_tokens,
            self._steps,
            self._step_seconds,
            num_paused=self._scheduler.num_paused,
            num_prefill_left=self._scheduler.num_prefill_left,
            prices=self._step_time.prices,
            total_preemptions=self._scheduler.num_preemptions,
            total_evictions=self._scheduler.num_evictions,
            kv_cells_parked=self._kv_cache.parked,
            total_interrupted=self._interrupted_steps,
            total_drafted=self._drafted,
            total_accepted=self._accepted,
            total_draft_steps=self._draft_steps,
        )
