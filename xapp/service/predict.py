"""What a request will take, from all that is open on its model and from what its steps cost.

The node is simulated forward with every open request in it (`simulation`). Answers are expected to
become as long as those of their kind (`lengths`), prompts to find what earlier ones left in the cache
(`prefix_guess`), and what is predicted so is corrected by how wrong it was lately (`residuals`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from time import monotonic

from xapp.engine.messages import FinishReason, ModelInfo, Priority, Stats
from xapp.engine.token_stream import TokenStream
from xapp.service.lengths import AnswerLengths
from xapp.service.prefix_guess import PrefixGuess
from xapp.service.residuals import Residuals
from xapp.service.simulation import Job, Simulation
from xapp.service.speeds import speeds
from xapp.service.types import Finished

MEDIAN, HIGH = 0.5, 0.95
BYTES_PER_TOKEN = 4
"""Of a prompt that is not yet tokenized."""
_GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 are spread evenly, however many there are."""
_RAN = (FinishReason.STOP, FinishReason.LENGTH)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known of a request before it is tokenized. Times are on CLOCK_MONOTONIC.

    `kind` names requests whose answers are alike in length; `exact`: the answer has just `max_tokens`.
    """

    arrival: float
    deadline: float
    max_tokens: int
    priority: Priority = Priority.INTERACTIVE
    best_effort: bool = False
    client: str = ""
    kind: str = ""
    exact: bool = False
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from now: until the first work, the first token, the last."""

    queue_s: float
    first_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """`num_tokens` is the median answer's length; `high` is exceeded by one request in 20."""

    num_tokens: int
    median: Times
    high: Times


class Ticket:
    """One open request. Before it is `tokenized` its size is guessed; `stream` once it was submitted.

    Of many answers some are short and some are long, and the first to end makes room for the next: so
    each is taken, in predictions of others, to have the length at a quantile of its own, `share`.
    """

    def __init__(self, ask: Ask, number: int) -> None:
        self.ask = ask
        self.share = (number + 0.5) * _GOLDEN % 1 * 0.9 + 0.05
        self.order = (float(ask.priority), ask.deadline, ask.arrival, float(number))
        self.num_prompt = max(1, ask.num_bytes // BYTES_PER_TOKEN)
        self.num_cached = 0
        self.max_tokens = ask.max_tokens
        self.stream: TokenStream | None = None
        self.predicted: Prediction | None = None
        self.crowded = False

    @property
    def running(self) -> bool:
        """Whether it has, or had, a slot."""
        return self.stream is not None and self.stream.started is not None

    @property
    def num_done(self) -> int:
        """Tokens that came."""
        return self.stream.num_tokens if self.stream is not None else 0

    @property
    def num_cells(self) -> int:
        """Cells that its sequence has and has promised."""
        return self.num_prompt + self.max_tokens - 1


class Predictor:
    """All open requests of one model; `stats` tells its worker's last word, `clock` is monotonic."""

    def __init__(
        self,
        info: Callable[[], ModelInfo],
        stats: Callable[[], Stats],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._info = info
        self._stats = stats
        self._numbers = count()
        self._prefixes = PrefixGuess(info().kv_cells_total)
        self._residuals = Residuals(clock)
        self.lengths = AnswerLengths(clock)
        self.tickets: set[Ticket] = set()

    def ticket(self, ask: Ask) -> Ticket:
        """A request that may come in; `tickets` has it once it does."""
        return Ticket(ask, next(self._numbers))

    def tokenized(self, ticket: Ticket, prompt: list[int], max_tokens: int) -> None:
        """Its size is known."""
        ticket.num_prompt = len(prompt)
        ticket.num_cached = self._prefixes.num_cached(prompt)
        ticket.max_tokens = max_tokens

    def submitted(self, ticket: Ticket, stream: TokenStream) -> None:
        """The worker has it."""
        ticket.stream = stream
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
        ticket.crowded = len(self.tickets - {ticket}) > 0
        num_tokens = self.num_tokens(ticket, MEDIAN)
        median = self._run(ticket, num_tokens)
        high = self._run(ticket, self.num_tokens(ticket, HIGH))
        ticket.predicted = Prediction(num_tokens, median, high)
        return Prediction(
            num_tokens, self._corrected(ticket, median, MEDIAN), self._corrected(ticket, high, HIGH)
        )

    def soonest_end_s(self, ticket: Ticket) -> float:
        """Seconds until the end at the best: nothing of the prompt to compute, an answer of median length."""
        job = self._new_job(ticket, self.num_tokens(ticket, MEDIAN))
        job.prefill = 1
        self._simulate(job, self._others(but=ticket))
        return job.end_s

    def left_s(self, ticket: Ticket, but: Ticket) -> float:
        """Seconds until one that was let in has ended, at the high quantile, without `but`."""
        jobs = self._others(but)
        job = jobs[ticket]
        job.decode += self.num_tokens(ticket, HIGH) - self.num_tokens(ticket, ticket.share)
        self._simulate(None, jobs, to_the_end=True)
        # Who has its first token already is not told when that comes.
        first_s = job.first_s if job.first_s <= job.end_s else 0.0
        return self._corrected(ticket, Times(0.0, first_s, job.end_s), HIGH).end_s

    def harms(self, ticket: Ticket, now: float) -> bool:
        """Whether another one of its class would miss its deadline because this one goes before it."""
        behind = [other for other in self.tickets if _may_be_harmed(other, ticket)]
        if not behind:
            return False
        late = self._late(behind, now, self._others(but=ticket), ticket)
        return bool(late) and not late <= self._late(late, now, self._others(but=ticket))

    def _late(
        self, tickets: Iterable[Ticket], now: float, jobs: dict[Ticket, Job], newcomer: Ticket | None = None
    ) -> set[Ticket]:
        job = self._new_job(newcomer, self.num_tokens(newcomer, MEDIAN)) if newcomer is not None else None
        self._simulate(job, jobs, to_the_end=True)
        return {each for each in tickets if jobs[each].end_s > each.ask.deadline - now}

    def num_tokens(self, ticket: Ticket, share: float) -> int:
        """Tokens the whole answer is expected to have, at that quantile."""
        if ticket.ask.exact:
            return ticket.max_tokens
        done = ticket.num_done
        return max(done, self.lengths.quantile(ticket.ask.kind, share, ticket.max_tokens, beyond=done))

    def _run(self, ticket: Ticket, num_tokens: int) -> Times:
        job = self._new_job(ticket, num_tokens)
        self._simulate(job, self._others(but=ticket))
        return Times(job.started_s, job.first_s, job.end_s)

    def _simulate(self, job: Job | None, others: dict[Ticket, Job], *, to_the_end: bool = False) -> None:
        speed = speeds(self._info(), self._stats())
        started = sorted((each for each in others if each.running), key=lambda each: each.order)
        running = [others[each] for each in started[: speed.num_slots]]
        waiting = [each for each in others.values() if each not in running]
        if job is not None:
            waiting.append(job)
        # On average half of the step that is being computed is still to come.
        cells = sum(job.read for job in running)
        lead_s = speed.decode_s(len(running), cells) / 2 if running else 0.0
        Simulation(speed, running, waiting, lead_s).run(None if to_the_end else job)

    def _others(self, but: Ticket) -> dict[Ticket, Job]:
        prefill = self._prefill_left(ticket for ticket in self.tickets if ticket.running)
        return {ticket: self._job(ticket, prefill) for ticket in self.tickets if ticket is not but}

    def _prefill_left(self, running: Iterable[Ticket]) -> dict[Ticket, int]:
        """What the worker has still to compute of its prompts: the first in order are the furthest."""
        left = self._stats().num_prefill_left
        shares = {}
        for ticket in sorted(running, key=lambda ticket: ticket.order, reverse=True):
            if ticket.stream is not None and ticket.stream.first_at is None:
                shares[ticket] = max(1, min(left, ticket.num_prompt - ticket.num_cached))
                left -= shares[ticket]
        return shares

    def _job(self, ticket: Ticket, prefill: dict[Ticket, int]) -> Job:
        num_tokens = self.num_tokens(ticket, ticket.share)
        if not ticket.running:
            return self._new_job(ticket, num_tokens)
        to_prefill = prefill.get(ticket, 0)
        computed = ticket.num_prompt - to_prefill + ticket.num_done
        left = num_tokens - max(1, ticket.num_done)
        return Job(ticket.order, to_prefill, left, ticket.num_cells, computed)

    @staticmethod
    def _new_job(ticket: Ticket, num_tokens: int) -> Job:
        prefill = ticket.num_prompt - ticket.num_cached
        return Job(ticket.order, prefill, num_tokens - 1, ticket.num_cells, ticket.num_cached)

    # ---- looking back

    def _corrected(self, ticket: Ticket, times: Times, share: float) -> Times:
        until_first = self._residuals.factor(_key(ticket, "first"), share)
        after = self._residuals.factor(_key(ticket, "rest"), share)
        first_s = times.first_s * until_first
        return Times(times.queue_s * until_first, first_s, first_s + (times.end_s - times.first_s) * after)

    def learn(self, ticket: Ticket, finished: Finished | None) -> None:
        """The request ended, with `finished` or without an answer to the end."""
        if finished is None:
            return
        predicted, num_tokens = ticket.predicted, finished.num_completion_tokens
        if not ticket.ask.exact:
            whole = finished.reason is FinishReason.STOP
            self.lengths.record(ticket.ask.kind, num_tokens, cut=not whole)
        if predicted is None or finished.reason not in _RAN:
            return
        times = predicted.median
        self._residuals.record(_key(ticket, "first"), times.first_s, finished.time_to_first_token_s)
        if predicted.num_tokens > 1 and num_tokens > 1:
            # Each token: that the answer has another length is learned elsewhere.
            each_s = (times.end_s - times.first_s) / (predicted.num_tokens - 1)
            self._residuals.record(_key(ticket, "rest"), each_s, finished.decode_s / (num_tokens - 1))


def _key(ticket: Ticket, part: str) -> tuple[Priority, bool, str]:
    """What is wrong in the same way."""
    return ticket.ask.priority, ticket.crowded, part


def _may_be_harmed(other: Ticket, by: Ticket) -> bool:
    same_class = other.ask.priority is by.ask.priority
    return same_class and other.order > by.order and not other.ask.best_effort
