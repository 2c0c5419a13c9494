"""What a request will take, from all that is open on its model and from what its steps cost.

The node is simulated forward with every open request in it (`lookahead`, `simulation`). Answers are
expected to become as long as those of their kind (`lengths`), prompts to find what earlier ones left in
the cache (`prefix_guess`).

Two things are told. What to expect: how wrong the simulation was lately (`residuals`) corrects it, and
mostly it was wrong because others came meanwhile. And what can be promised: nobody is let in who would
make an admitted one late (`harms`), so that what comes meanwhile does not matter, only how wrong the
simulation is about what it knows.
"""

from collections.abc import Callable, Iterable
from itertools import count
from time import monotonic

from xapp.admission.lengths import AnswerLengths
from xapp.admission.lookahead import Lookahead
from xapp.admission.outcome import Outcome, outcome_of
from xapp.admission.prefix_guess import PrefixGuess
from xapp.admission.residuals import Key, Residuals
from xapp.admission.simulation import Job
from xapp.admission.tickets import Ask, Foresight, Prediction, Ticket, Times
from xapp.domain.answers import Finished
from xapp.domain.messages import FinishReason, ModelInfo, Stats
from xapp.workers.token_stream import TokenStream

LOW, MEDIAN, HIGH = 0.05, 0.5, 0.95
SHORT_S = 0.2
"""A shorter time says little of how good predictions are."""
_PROMISE = Key("promise")


class Predictor:
    """All open requests of one model; `stats` tells its worker's last word, `clock` is monotonic."""

    def __init__(
        self,
        info: Callable[[], ModelInfo],
        stats: Callable[[], Stats],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._clock = clock
        self._numbers = count()
        self._prefixes = PrefixGuess(info().kv_cells_total)
        self._residuals = Residuals(clock, lambda: self._ahead.price_s)
        self.lengths = AnswerLengths(clock)
        self.tickets: set[Ticket] = set()
        self._ahead = Lookahead(info, stats, self.lengths, self.tickets)

    def ticket(self, ask: Ask) -> Ticket:
        """A request that may come in; `tickets` has it once it does."""
        return Ticket(ask, next(self._numbers))

    def tokenized(self, ticket: Ticket, prompt: list[int], max_tokens: int) -> None:
        """Its size is known."""
        ticket.num_prompt = len(prompt)
        ticket.num_cached = 0 if ticket.ask.deterministic else self._prefixes.num_cached(prompt)
        ticket.max_tokens = max_tokens

    def submitted(self, ticket: Ticket, stream: TokenStream) -> None:
        """The worker has it."""
        ticket.stream = stream
        if not ticket.ask.deterministic:
            self._prefixes.add(stream.request.prompt)

    def joined(self, ticket: Ticket, computed: Ticket) -> None:
        """Its answer is that of `computed`: nothing is computed for it, so it is no load."""
        self.tickets.discard(ticket)
        ticket.order = computed.order
        ticket.num_prompt, ticket.num_cached = computed.num_prompt, computed.num_cached
        ticket.max_tokens, ticket.stream = computed.max_tokens, computed.stream

    # ---- looking ahead

    def predict(self, ticket: Ticket) -> Prediction:
        """From now on; also kept in the ticket, for `learn`."""
        expected = self.expect(ticket)
        high = self._times(ticket, HIGH)
        return Prediction(
            ticket.num_expected,
            self._corrected(ticket, expected, MEDIAN),
            self._corrected(ticket, high, HIGH),
            high.end_s * self._leeway,
        )

    def expect(self, ticket: Ticket) -> Times:
        """What `learn` holds against what happens, kept in the ticket; half the work of `predict`."""
        ticket.num_others = len(self.tickets) - (ticket in self.tickets)
        ticket.num_expected = self.num_tokens(ticket, MEDIAN)
        ticket.expected = self._times(ticket, MEDIAN)
        return ticket.expected

    def soonest_end_s(self, ticket: Ticket) -> float:
        """Seconds until the end at the best: nothing of the prompt to compute, an answer of median length."""
        job = self._ahead.new_job(ticket, MEDIAN)
        job.prefill = 1
        self._ahead.run(job, self._ahead.jobs(but=ticket))
        return job.end_s

    def is_alone(self, ticket: Ticket) -> bool:
        """Whether nothing else is open."""
        return self.tickets <= {ticket}

    def alone_s(self, ticket: Ticket) -> float:
        """Seconds until its end with nothing else there, at the high quantile, as simulated."""
        job = self._ahead.new_job(ticket, HIGH)
        self._ahead.run(job, {})
        return job.end_s

    def least_s(self, ticket: Ticket) -> float:
        """Seconds that it takes at the very best: see Lookahead."""
        return self._ahead.least_s(ticket, LOW)

    def left_s(self, ticket: Ticket, but: Ticket) -> float:
        """Seconds until one that was let in has ended, at the high quantile, without `but`."""
        jobs = self._ahead.jobs(but)
        job = jobs[ticket]
        job.decode += self.num_tokens(ticket, HIGH) - self.num_tokens(ticket, ticket.share)
        self._ahead.run(None, jobs, to_the_end=True)
        return job.end_s * self._leeway

    def harms(self, ticket: Ticket, now: float) -> bool:
        """Whether another one of its class that would end in time without it will not with it.

        Those before it in order count as well: its prompt takes its share of their steps.
        """
        within_s = {
            other: other.ask.deadline - now for other in self.tickets if _may_be_harmed(other, ticket)
        }
        if not within_s:
            return False
        ends_s = self._ends(within_s, ticket, self._ahead.new_job(ticket, MEDIAN))
        leeway = self._leeway
        late = [other for other, end_s in ends_s.items() if end_s * leeway > within_s[other]]
        if not late:
            return False
        before_s = self._ends(late, ticket, None)
        return any(before_s[each] <= within_s[each] for each in late)

    def num_tokens(self, ticket: Ticket, share: float) -> int:
        """Tokens the whole answer is expected to have, at that quantile."""
        return self._ahead.num_tokens(ticket, share)

    @property
    def _leeway(self) -> float:
        """By how much a promise is later than what was simulated."""
        return self._residuals.factor(_PROMISE, HIGH)

    def _times(self, ticket: Ticket, share: float) -> Times:
        job = self._ahead.new_job(ticket, share)
        self._ahead.run(job, self._ahead.jobs(but=ticket))
        return Times(job.started_s, job.first_s, job.end_s)

    def _ends(self, tickets: Iterable[Ticket], but: Ticket, newcomer: Job | None) -> dict[Ticket, float]:
        """Seconds until the ends of these, with the newcomer or without."""
        jobs = self._ahead.jobs(but)
        self._ahead.run(newcomer, jobs, to_the_end=True)
        return {each: jobs[each].end_s for each in tickets}

    def _corrected(self, ticket: Ticket, times: Times, share: float) -> Times:
        until_first = self._residuals.factor(_key(ticket, "first"), share)
        after = self._residuals.factor(_key(ticket, "rest"), share)
        first_s = times.first_s * until_first
        return Times(times.queue_s * until_first, first_s, first_s + (times.end_s - times.first_s) * after)

    def foresee(self) -> None:
        """What is to come of each that was let in, the last one among them: promises are judged by it."""
        jobs = self._ahead.jobs()
        left = {ticket: (job.prefill, job.decode) for ticket, job in jobs.items()}
        self._ahead.run(None, jobs, to_the_end=True)
        now = self._clock()
        for ticket, (prefill, decode) in left.items():
            first_s = jobs[ticket].first_s if prefill else 0.0
            ticket.foresight = Foresight(now, first_s, jobs[ticket].end_s, max(1, ticket.num_done), decode)

    # ---- looking back

    def learn(self, ticket: Ticket, finished: Finished | None) -> Outcome | None:
        """The request ended, with `finished` or without an answer to the end. How it turned out, if known."""
        if finished is not None and not ticket.ask.exact:
            whole = finished.reason is FinishReason.STOP
            self.lengths.record(ticket.ask.kind, finished.num_completion_tokens, cut=not whole)
        outcome = outcome_of(ticket, finished)
        if outcome is None or ticket.expected is None:
            return outcome
        self._learn_times(ticket, outcome, ticket.expected)
        if ticket.probe and outcome.whole:
            # By the promises it was to be late. It may be one of many, but it is the latest.
            self._residuals.doubt(_PROMISE)
        if ticket.foresight is not None:
            self._learn_promise(ticket.ask.arrival, outcome, ticket.foresight)
        return outcome

    def _learn_times(self, ticket: Ticket, outcome: Outcome, expected: Times) -> None:
        # Who was cut before the first token would have waited for it longer than that.
        if outcome.num_tokens or outcome.whole or outcome.first_s > expected.first_s:
            self._residuals.record(_key(ticket, "first"), expected.first_s, outcome.first_s)
        if ticket.num_expected > 1 and outcome.num_tokens > 1:
            # Each token: that the answer has another length is learned elsewhere.
            each_s = (expected.end_s - expected.first_s) / (ticket.num_expected - 1)
            actual_s = (outcome.end_s - outcome.first_s) / (outcome.num_tokens - 1)
            self._residuals.record(_key(ticket, "rest"), each_s, actual_s)

    def _learn_promise(self, arrival: float, outcome: Outcome, foresight: Foresight) -> None:
        took_s = arrival + outcome.end_s - foresight.at
        foreseen_s = foresight.end_s_with(outcome.num_tokens) if outcome.whole else foresight.end_s
        if foreseen_s >= SHORT_S and (outcome.whole or took_s > foreseen_s):
            self._residuals.record(_PROMISE, foreseen_s, took_s)


def _key(ticket: Ticket, part: str) -> Key:
    """What is wrong in the same way: of as urgent ones, about as many others being there."""
    return Key((ticket.ask.priority, part), ticket.num_others.bit_length())


def _may_be_harmed(other: Ticket, by: Ticket) -> bool:
    same_class = other.ask.priority is by.ask.priority
    return same_class and other is not by and not other.ask.best_effort
