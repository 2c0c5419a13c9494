"""Engine: continuous batching over one backend. It knows tokens, not text; requests, not connections.

    step():  schedule → decode → update

Sequences join and leave between steps.
"""

from collections.abc import Callable
from time import monotonic

from xapp.backend.base import Backend, DecodeError, Interrupted
from xapp.domain.messages import (
    FinishReason,
    SequenceEmbedded,
    SequenceStarted,
    Stats,
    StepEvents,
    Submit,
    Tuning,
)
from xapp.engine.answers import Answers
from xapp.engine.deadlines import Deadlines
from xapp.engine.kv_cache import KVCache
from xapp.engine.lookout import ANY_EVENT, Lookout, NoLookout, watch_for
from xapp.engine.plan import Plan
from xapp.engine.scheduler import Scheduler
from xapp.engine.sequence import Sequence, Status
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.table import Strategies
from xapp.engine.survey import Survey
from xapp.engine.totals import Totals
from xapp.failpoints import guard_method
from xapp.steps.pace import Pace
from xapp.steps.step_cost import DEFAULT_CURVE

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
        survey: bool = True,
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
        # A worker of vectors keeps no cells. There, the longest texts that run are what is reserved.
        cells = info.kv_cells_total or info.num_slots * info.context_length
        self._kv_cache = KVCache(backend, cells, reuse=prefix_cache, max_batch=max_batch)
        self._scheduler = Scheduler(
            self._kv_cache,
            self._step_time,
            num_slots=info.num_slots,
            num_drafts=backend.num_probes,
            pace=Pace(info.step_budget_s, info.prefill_share, max_batch),
            ageing_s=ageing_s,
        )
        guard_method("schedule", self._scheduler, "schedule")
        guard_method("decode", self, "_decode", lambda: DecodeError(-1))
        guard_method("parked_copy", backend, "save", MemoryError)
        self._strategies = Strategies(backend, self._kv_cache, self._step_time, clock)
        self._surveys = survey
        self._survey = Survey(backend)
        self._sequences: dict[int, Sequence] = {}
        self._deadlines = Deadlines(self._sequences)
        self._answers = Answers(backend)
        self._totals = Totals()

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._sequences or self._answers.events.finished)

    @property
    def may_survey(self) -> bool:
        """Whether idle time can be used to measure the model."""
        return self._surveys and not self._survey.done

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
            self._deadlines.watch(request.deadline, request.request_id)
        self._scheduler.add(sequence, self._clock())
        if sequence.cells_needed > min(self._kv_cache.total, self._context_length):
            self._finish(sequence, FinishReason.LENGTH, self._clock())

    def extend(self, request_id: int, deadline: float) -> None:
        """Postpones a request's deadline without changing its order. An unknown id is ignored."""
        sequence = self._sequences.get(request_id)
        if sequence is not None and sequence.deadline is not None and sequence.deadline < deadline:
            sequence.extended_to = deadline
            self._deadlines.watch(deadline, request_id)

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
            self._totals.interrupted_steps += 1
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
        for sequence in self._deadlines.passed(now):
            self._finish(sequence, FinishReason.EXPIRED, now)

    def _start(self, plan: Plan, now: float) -> None:
        for sequence in plan.admitted:
            request = sequence.request
            if sequence.strategy.draws:
                sampling, prompt, scope = request.sampling, request.prompt, request.scope
                sequence.sampler = self._backend.new_sampler(sampling, prompt, scope)
            sequence.started_at, sequence.began_s = now, self._totals.step_seconds
            self._totals.cached_tokens += sequence.num_cached
            self._answers.events.started.append(SequenceStarted(request.request_id, now, sequence.num_cached))

    def _update(
        self, plan: Plan, tokens: list[int], read: list[list[float]], began: float, decoding: float
    ) -> None:
        now = self._clock()
        if not (plan.batch.quiet or plan.batch.hidden):
            # A quiet step's time says how busy the node is, and a hidden state takes a decode of its own.
            # The time of admission, for instance of restoring a parked prefix, is not part of a prompt
            # token's price.
            self._step_time.observe(plan.num_decode, plan.num_prefill, now - decoding, plan.batch.num_read)
        self._totals.count_step(plan, now - began)
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
                self._totals.decode_tokens += len(accepted)
                reason = self._answers.append(sequence, accepted, now)
                if reason is not None:
                    self._finish(sequence, reason, now)
            elif sequence.result is not None:
                self._take_result(sequence, now)
            answers = NOTHING_READ

    def _take_result(self, sequence: Sequence, now: float) -> None:
        """Sends the result of a request that asks for no tokens, or the next part of it."""
        result, sequence.result = sequence.result, None
        if isinstance(result, SequenceEmbedded):
            self._answers.events.embedded.append(result)
            if not result.whole:
                return
        elif result is not None:
            self._answers.events.scored.append(result)
        self._finish(sequence, FinishReason.STOP, now)

    def _finish(self, sequence: Sequence, reason: FinishReason, now: float) -> None:
        self._totals.count_drafts(sequence.strategy)
        del self._sequences[sequence.request.request_id]
        self._scheduler.remove(sequence)
        sequence.status = Status.FINISHED
        sequence.finish_reason = reason
        sequence.sampler.close()
        self._answers.events.finished.append(sequence.finished_event(now, self._totals.step_seconds))

    def _take_events(self) -> StepEvents:
        events = self._answers.take_events()
        events.stats = self.stats()
        if self._totals.steps % CURVE_STEPS == 1:
            events.curve = self._step_time.curve
        return events

    def stats(self) -> Stats:
        """The current state."""
        return self._totals.stats(self._scheduler, self._kv_cache, self._step_time)
