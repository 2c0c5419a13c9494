"""Requests whose answer is one result and no stream of tokens: their end, and their times."""

from xapp.domain.answers import Finished, Started
from xapp.domain.messages import FinishReason, SequenceFinished, Submit
from xapp.errors import DeadlineExceeded
from xapp.service import report
from xapp.workers.token_stream import TokenStream


async def final_event(stream: TokenStream, what: str) -> SequenceFinished:
    """Waits for the final event. Raises DeadlineExceeded, which names `what` was not done, or the error of
    the stream.
    """
    while not stream.done:
        await stream.next()
    end = stream.finished
    assert end is not None
    if end.reason is FinishReason.EXPIRED:
        raise DeadlineExceeded(f"the deadline passed before the {what}")
    return end


def final(started: Started, submit: Submit, end: SequenceFinished) -> Finished:
    """All time after the queue counts as prefill."""
    num_tokens, at = end.num_completion_tokens, end.at
    return report.final(started, end.reason, num_tokens, arrival=submit.arrival, first_at=at, last_at=at)
