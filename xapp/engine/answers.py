"""Answers: appends drawn tokens to the answers of sequences, and collects the events of a step."""

from xapp.backend.base import Backend, Outcome
from xapp.backend.reporting import Reporting
from xapp.domain.messages import FinishReason, StepEvents, TokenReport
from xapp.engine.sequence import Sequence, Status


class Answers:
    """`events` are those since they were last taken."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.events = StepEvents()

    def take_events(self) -> StepEvents:
        """The events so far. Later events go into the next step's."""
        events, self.events = self.events, StepEvents()
        return events

    def append(self, sequence: Sequence, tokens: list[int], now: float) -> FinishReason | None:
        """Appends tokens to the answer, up to its end. The sampler's outcome is that of the last token.

        Returns the finish reason, or None where the answer may continue.
        """
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
        return reason

    def _report(self, sequence: Sequence, count: int) -> None:
        """Sends the reports of the `count` appended tokens. A token that ends the answer has none."""
        assert isinstance(sequence.sampler, Reporting), "the backend reports what is asked for"
        request_id = sequence.request.request_id
        reports = sequence.sampler.take_reports()[:count]
        self.events.reports += [TokenReport(request_id, *report) for report in reports]

    def _report_doubts(self, sequence: Sequence) -> None:
        request_id = sequence.request.request_id
        self.events.doubts += (each for place in sequence.doubts for each in (request_id, place))
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
        request, answer, events = sequence.request, sequence.tokens, self.events.tokens
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
