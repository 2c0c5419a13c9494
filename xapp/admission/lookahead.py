"""The open requests of a model as jobs of the simulation: how far each is, how long each becomes."""

from collections.abc import Callable, Iterable

from xapp.admission.lengths import AnswerLengths
from xapp.admission.simulation import Job, Simulation
from xapp.admission.speeds import Speeds, speeds
from xapp.admission.tickets import Ticket
from xapp.domain.messages import ModelInfo, Stats

Jobs = dict[Ticket, Job]
PRICED_TOKENS = 15


class Lookahead:
    """Knows `tickets`, its user's, and the worker's last word, `stats`; `lengths` tells of answers before."""

    def __init__(
        self,
        info: Callable[[], ModelInfo],
        stats: Callable[[], Stats],
        lengths: AnswerLengths,
        tickets: set[Ticket],
    ) -> None:
        self._info = info
        self._stats = stats
        self._lengths = lengths
        self._tickets = tickets
        self._last: tuple[ModelInfo, Stats, Speeds] | None = None

    def num_tokens(self, ticket: Ticket, share: float) -> int:
        """Tokens the whole answer is expected to have, at that quantile."""
        if ticket.ask.exact:
            return ticket.max_tokens
        done = ticket.num_done
        return max(done, self._lengths.quantile(ticket.ask.kind, share, ticket.max_tokens, beyond=done))

    def run(self, job: Job | None, others: Jobs, *, to_the_end: bool = False) -> None:
        """Simulates a new one among others, until it has ended or all have."""
        speed = self._speeds()
        started = sorted((each for each in others if each.running), key=lambda each: each.order)
        running = [others[each] for each in started[: speed.num_slots]]
        waiting = [each for each in others.values() if each not in running]
        if job is not None:
            waiting.append(job)
        # On average half of the step that is being computed is still to come.
        cells = sum(job.read for job in running)
        lead_s = speed.decode_s(len(running), cells) / 2 if running else 0.0
        Simulation(speed, running, waiting, lead_s).run(None if to_the_end else job)

    def least_s(self, ticket: Ticket, share: float) -> float:
        """Seconds that the answer takes alone, at that quantile of its length, on a node that is as fast as
        it ever was, and with all of the prompt in the cache.
        """
        speed = self._speeds()
        return self.num_tokens(ticket, share) * speed.decode_s(1, 0) / max(1.0, speed.cost.scale)

    @property
    def price_s(self) -> float:
        """What a step of middle size takes now: how dear steps are."""
        return self._speeds().step_s(1, 0, PRICED_TOKENS, 0)

    def _speeds(self) -> Speeds:
        """Made anew when the worker has said something: an admission simulates several times in between."""
        info, stats = self._info(), self._stats()
        if self._last is None or self._last[0] is not info or self._last[1] is not stats:
            self._last = (info, stats, speeds(info, stats))
        return self._last[2]

    def jobs(self, but: Ticket | None = None) -> Jobs:
        """What is left of all but one."""
        prefill = self._prefill_left(ticket for ticket in self._tickets if ticket.running)
        return {ticket: self._job(ticket, prefill) for ticket in self._tickets if ticket is not but}

    def new_job(self, ticket: Ticket, share: float) -> Job:
        """One that has not begun, whose answer has the length at that quantile."""
        prefill = ticket.num_prompt - ticket.num_cached
        decode = self.num_tokens(ticket, share) - 1
        return _new(ticket, prefill, decode, ticket.num_cached)

    def _job(self, ticket: Ticket, prefill: dict[Ticket, int]) -> Job:
        if not ticket.running:
            return self.new_job(ticket, ticket.share)
        to_prefill = prefill.get(ticket, 0)
        computed = ticket.num_prompt - to_prefill + ticket.num_done
        left = self.num_tokens(ticket, ticket.share) - max(1, ticket.num_done)
        return _new(ticket, to_prefill, left, computed)

    def _prefill_left(self, running: Iterable[Ticket]) -> dict[Ticket, int]:
        """What the worker has still to compute of its prompts: the first in order are the furthest."""
        left = self._stats().num_prefill_left
        shares = {}
        for ticket in sorted(running, key=lambda ticket: ticket.order, reverse=True):
            if ticket.stream is not None and ticket.stream.first_at is None:
                shares[ticket] = max(1, min(left, ticket.num_prompt - ticket.num_cached))
                left -= shares[ticket]
        return shares


def _new(ticket: Ticket, prefill: int, decode: int, computed: int) -> Job:
    ask = ticket.ask
    job = Job(ticket.order, prefill, decode, ticket.num_cells, computed)
    job.max_gap_s, job.apart = ask.max_gap_s, ask.deterministic
    return job
