"""Predictor: the time that a request will take, from the open requests of its model and the price of steps.

The predictor simulates the node forward with every open request (`lookahead`, `simulation`). It assumes that
answers are as long as earlier answers of their kind, to such prompts (`prompt_lengths`). It assumes that
prompts find the prefixes of earlier prompts in the cache (`prefix_guess`).

The predictor produces an expectation and a promise. The expectation is corrected by the recent error of the
simulation (`corrections`), which comes mostly from requests that arrived meanwhile. The promise holds because
later arrivals that would make an admitted request late are refused (`would_delay_others`). So the promise
needs a margin only for the error of the simulation about known requests.

An expectation counts on the gain of drafts (`gains`), a promise does not. The error of a promise is that of
the time without drafts, so that the next request whose drafts gain nothing is in time as well.
"""

from collections.abc import Callable, Iterable
from itertools import count
from time import monotonic

from xapp.admission.corrections import HIGH, MEDIAN, Corrections
from xapp.admission.gains import Gains
from xapp.admission.heat import Heat
from xapp.admission.lengths import AnswerLengths
from xapp.admission.lookahead import Lookahead
from xapp.admission.open_request import AdmissionRequest, Foresight, OpenRequest, Prediction, Times
from xapp.admission.outcome import Outcome, outcome_of
from xapp.admission.prefix_guess import PrefixGuess
from xapp.admission.prompt_lengths import PromptLengths
from xapp.admission.simulated_job import Job
from xapp.domain.answers import Finished
from xapp.domain.messages import FinishReason, ModelInfo, Stats
from xapp.domain.power import HeatOutlook
from xapp.workers.token_stream import TokenStream

LOW = 0.05
"""The quantile of the shortest answers."""


class Predictor:
    """All open requests of one model.

    `stats` returns the latest state of its worker. `clock` is monotonic. `outlook`: when the node lowers its
    clock. `by_prompt`: whether prompts tell the length of answers, where that pays.
    """

    def __init__(
        self,
        info: Callable[[], ModelInfo],
        stats: Callable[[], Stats],
        clock: Callable[[], float] = monotonic,
        outlook: Callable[[], HeatOutlook] = HeatOutlook,
        *,
        by_prompt: bool = True,
    ) -> None:
        self._clock = clock
        self.heat = Heat(outlook)
        self._numbers = count()
        self._prefixes = PrefixGuess(info().kv_cells_total)
        self._corrections = Corrections(clock, lambda: self._ahead.price_s)
        self._shares_prefixes = info().shares_prefixes
        self.lengths = PromptLengths(AnswerLengths(clock), clock, on=by_prompt)
        self.gains = Gains()
        self.open_requests: set[OpenRequest] = set()
        learned = (self.lengths, self.gains)
        self._ahead = Lookahead(info, stats, *learned, self.open_requests, heat=self.heat)

    def open(self, request: AdmissionRequest) -> OpenRequest:
        """A new request, not yet admitted. After its admission it is in `open_requests`."""
        return OpenRequest(request, next(self._numbers), self.lengths.hint(request))

    def tokenized(self, opened: OpenRequest, prompt: list[int], max_tokens: int) -> None:
        """Sets the size of the request."""
        opened.num_prompt = len(prompt)
        request = opened.request
        opened.num_cached = 0 if request.deterministic else self._prefixes.num_cached(prompt, request.scope)
        opened.max_tokens = max_tokens

    def counted(self, opened: OpenRequest, num_tokens: int) -> None:
        """Sets the size of a request that generates nothing, and of whose tokens none is cached."""
        opened.num_prompt, opened.num_cached, opened.max_tokens = num_tokens, 0, 1

    def submitted(self, opened: OpenRequest, stream: TokenStream) -> None:
        """Notes that the worker has the request."""
        opened.stream = stream
        if self._shares_prefixes and not opened.request.deterministic:
            self._prefixes.add(stream.request)

    def joined(self, opened: OpenRequest, computed: OpenRequest) -> None:
        """The request takes the answer of `computed`, so that it is no load."""
        self.open_requests.discard(opened)
        opened.order = computed.order
        opened.num_prompt, opened.num_cached = computed.num_prompt, computed.num_cached
        opened.max_tokens, opened.stream = computed.max_tokens, computed.stream

    # ---- predicting

    def wait_s(self, request: AdmissionRequest) -> float:
        """Simulated seconds until a request without a prompt would have a slot. The request is not opened."""
        return self._times(OpenRequest(request, 0), MEDIAN).queue_s if self.open_requests else 0.0

    def predict(self, opened: OpenRequest) -> Prediction:
        """The prediction from now on. It is also stored in the open request, for `learn`."""
        expected = self.expect(opened)
        high = self._times(opened, HIGH)
        return Prediction(
            opened.num_expected,
            self._corrections.corrected(opened, expected, MEDIAN),
            self._corrections.corrected(opened, high, HIGH),
            high.end_s * self._corrections.leeway,
        )

    def expect(self, opened: OpenRequest) -> Times:
        """The times that `learn` compares with the outcome, stored in the open request.

        Half the work of `predict`.
        """
        opened.num_others = len(self.open_requests) - (opened in self.open_requests)
        opened.num_expected = self.num_tokens(opened, MEDIAN)
        opened.expected = self._times(opened, MEDIAN, hopeful=True)
        return opened.expected

    def soonest_end_s(self, opened: OpenRequest) -> float:
        """Seconds until the end at best: the whole prompt is cached and the answer has the median length."""
        job = self._ahead.new_job(opened, MEDIAN)
        job.prefill = 1
        self._ahead.run(job, self._ahead.jobs(excluding=opened))
        return job.end_s

    def answer_s(self, opened: OpenRequest) -> float:
        """Seconds of the answer alone, of the median length. The length is kept for `learn`."""
        opened.num_at_first = self.num_tokens(opened, MEDIAN)
        return self._ahead.answer_s(opened.num_at_first)

    def busy_s(self, opened: OpenRequest) -> float:
        """Seconds until this request and all admitted requests have ended, as they were last predicted."""
        now = self._clock()
        ends = [each.foresight.at + each.foresight.end_s for each in self.open_requests if each.foresight]
        own_s = opened.expected.end_s if opened.expected else 0.0
        return max([own_s, *(end - now for end in ends)])

    def is_alone(self, opened: OpenRequest) -> bool:
        """Whether no other request is open."""
        return self.open_requests <= {opened}

    def alone_s(self, opened: OpenRequest) -> float:
        """Simulated seconds until the end at the high quantile, with no other request open."""
        job = self._ahead.new_job(opened, HIGH)
        self._ahead.run(job, {})
        return job.end_s

    def least_s(self, opened: OpenRequest) -> float:
        """Seconds at the very best, as Lookahead explains."""
        return self._ahead.least_s(opened, LOW)

    def left_s(self, opened: OpenRequest, excluding: OpenRequest) -> float:
        """Seconds until an admitted request ends, at the high quantile, without the request `excluding`."""
        jobs = self._ahead.jobs(excluding)
        job = jobs[opened]
        job.decode += self.num_tokens(opened, HIGH) - self.num_tokens(opened, opened.share)
        self._ahead.run(None, jobs, to_the_end=True)
        return job.end_s * self._corrections.leeway

    def would_delay_others(self, opened: OpenRequest, now: float) -> bool:
        """Whether another request of its class is in time without it, and late with it.

        Requests before it in order count as well: its prompt takes a share of their steps.
        """
        within_s = {
            other: other.request.deadline - now
            for other in self.open_requests
            if _may_be_harmed(other, opened)
        }
        if not within_s:
            return False
        ends_s = self._ends(within_s, opened, self._ahead.new_job(opened, MEDIAN))
        leeway = self._corrections.leeway
        late = [other for other, end_s in ends_s.items() if end_s * leeway > within_s[other]]
        if not late:
            return False
        before_s = self._ends(late, opened, None)
        return any(before_s[each] <= within_s[each] for each in late)

    def num_tokens(self, opened: OpenRequest, share: float) -> int:
        """Expected tokens of the whole answer at that quantile."""
        return self._ahead.num_tokens(opened, share)

    def _times(self, opened: OpenRequest, share: float, *, hopeful: bool = False) -> Times:
        job = self._ahead.new_job(opened, share, hopeful=hopeful)
        self._ahead.run(job, self._ahead.jobs(excluding=opened, hopeful=hopeful))
        return Times(job.started_s, job.first_s, job.end_s)

    def _ends(
        self, open_requests: Iterable[OpenRequest], excluding: OpenRequest, newcomer: Job | None
    ) -> dict[OpenRequest, float]:
        """Seconds until these requests end, with or without the newcomer."""
        jobs = self._ahead.jobs(excluding)
        self._ahead.run(newcomer, jobs, to_the_end=True)
        return {each: jobs[each].end_s for each in open_requests}

    def predict_all(self) -> None:
        """Predicts every admitted request. Promises are compared with this prediction."""
        jobs = self._ahead.jobs()
        left = {opened: (job.prefill, job.decode) for opened, job in jobs.items()}
        self._ahead.run(None, jobs, to_the_end=True)
        now = self._clock()
        for opened, (prefill, decode) in left.items():
            first_s = jobs[opened].first_s if prefill else 0.0
            opened.foresight = Foresight(now, first_s, jobs[opened].end_s, max(1, opened.num_done), decode)

    # ---- learning

    def learn(self, opened: OpenRequest, finished: Finished | None) -> Outcome | None:
        """Learns from the end of a request; `finished` is None without a complete answer.

        Returns the outcome if known.
        """
        if finished is not None and not opened.request.exact:
            whole = finished.reason is FinishReason.STOP
            num_tokens = finished.num_completion_tokens
            self.lengths.record(opened.request, opened.hint, num_tokens, cut=not whole)
        if finished is not None and opened.request.drafts:
            self.gains.record(opened.request.kind, finished.gain, finished.num_completion_tokens)
        outcome = outcome_of(opened, finished)
        if outcome is None or opened.expected is None:
            return outcome
        self._corrections.learn(opened, outcome, opened.expected)
        return outcome


def _may_be_harmed(other: OpenRequest, by: OpenRequest) -> bool:
    same_class = other.request.priority is by.request.priority
    return same_class and other is not by and not other.request.best_effort
