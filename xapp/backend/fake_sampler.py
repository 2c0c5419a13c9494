"""The sampler of the fake model, and how a token is drawn with it."""

from collections.abc import Sequence

from xapp.backend.base import Outcome, Sampler
from xapp.backend.constraint import Constraint
from xapp.backend.fake_rule import END_TOKEN, log_probability
from xapp.backend.reasoning_budget import ReasoningBudget
from xapp.backend.reporting import Report, Reporting
from xapp.domain.messages import SamplingParams

# Characters that end a value come first, so that answers with a grammar are short.
_ORDER = (END_TOKEN, *b'"}]0a', *range(256))


class FakeSampler:
    """A sampler without state that counts itself, so that tests find a leak."""

    def __init__(self, params: SamplingParams, live: set[int], constraint: Constraint | None) -> None:
        self.params = params
        self._constraint = constraint
        self._live = live
        live.add(id(self))

    @property
    def outcome(self) -> Outcome:
        """See Sampler."""
        return Outcome.OPEN if self._constraint is None else self._constraint.outcome

    def hold(self, token: int) -> int:
        """The token, or the first allowed token where a grammar refuses it."""
        constraint = self._constraint
        if constraint is None:
            return token
        return constraint.draw((token, *_ORDER))

    def accept(self, token: int) -> bool:
        """See Sampler."""
        return self._constraint is None or self._constraint.accept(token)

    def mark(self) -> object:
        """See Sampler."""
        return None if self._constraint is None else self._constraint.mark()

    def rollback(self, mark: object) -> None:
        """See Sampler."""
        if self._constraint is not None:
            self._constraint.rollback(mark)

    def close(self) -> None:
        """Removes itself from the set of live samplers."""
        self._live.discard(id(self))


def held(sampler: Sampler, token: int) -> int:
    """The token, or the token that the sampler allows in its place."""
    inner = sampler.inner if isinstance(sampler, Reporting) else sampler
    if isinstance(inner, ReasoningBudget):
        forced = inner.forced()
        token = held(inner.inner, token) if forced is None else forced
        inner.take(token)
        return token
    return inner.hold(token) if isinstance(inner, FakeSampler) else token


def report(content: Sequence[int], token: int, num_top: int) -> Report:
    """The tokens beside the drawn token are those that follow it."""
    top = [(token + number, log_probability(content, token + number)) for number in range(num_top)]
    return Report(log_probability(content, token), top)
