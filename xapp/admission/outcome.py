"""Outcome: how a request ended, for comparison with its prediction."""

from dataclasses import dataclass

from xapp.admission.open_request import OpenRequest
from xapp.domain.answers import Finished
from xapp.domain.messages import FinishReason

_WHOLE = (FinishReason.STOP, FinishReason.LENGTH)
_CUT = (FinishReason.EXPIRED, FinishReason.DEADLINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from arrival to the first token and to the end. `whole`: no deadline cut the answer.

    A request that was cut before its first token has the time of the cut in both. `gain` is that of Finished.
    """

    first_s: float
    end_s: float
    num_tokens: int
    whole: bool
    gain: float = 1.0

    @property
    def plain_end_s(self) -> float:
        """The end without drafts, about."""
        return self.end_s + (max(1.0, self.gain) - 1) * (self.end_s - self.first_s)


def outcome_of(opened: OpenRequest, finished: Finished | None) -> Outcome | None:
    """None for a cancelled request, and for a request that joined another one's computation."""
    stream = opened.stream
    if stream is None or stream.joined_at is not None:
        return None
    if finished is not None:
        return _from_finished(finished) if finished.reason in (*_WHOLE, *_CUT) else None
    end = stream.finished
    if end is None or end.reason not in _CUT:
        return None
    end_s = end.at - opened.request.arrival
    first_s = end_s if end.first_token_at is None else end.first_token_at - opened.request.arrival
    return Outcome(first_s, end_s, end.num_completion_tokens, whole=False)


def _from_finished(finished: Finished) -> Outcome:
    whole = finished.reason in _WHOLE
    first_s = finished.time_to_first_token_s
    if not whole and finished.num_completion_tokens == 0:
        first_s = finished.queue_s + finished.prefill_s
    return Outcome(first_s, first_s + finished.decode_s, finished.num_completion_tokens, whole, finished.gain)
