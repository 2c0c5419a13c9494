"""Draws the tokens of a computed batch from its logits, and reads probabilities there."""

from typing import Any, cast

from xapp.backend.base import NOT_DRAWN, Batch, Sampler
from xapp.backend.llama_context import NativeContext
from xapp.backend.llama_grammar import GrammarSampler
from xapp.backend.llama_sampler import GREEDY, ChainSampler
from xapp.backend.log_softmax import LogSoftmax
from xapp.backend.reasoning_budget import ReasoningBudget
from xapp.backend.reporting import Reporting


def row_numbers(indices: list[int], batch: Batch) -> list[int]:
    """The rows of logits of some of the batch's tokens. Rows have the order of the tokens."""
    numbers = {index: number for number, index in enumerate(_with_row(batch))}
    return [numbers[index] for index in indices]


def _with_row(batch: Batch) -> list[int]:
    """The tokens that have a row of logits, ascending."""
    if not batch.probes:
        return batch.outputs
    return sorted({*batch.outputs, *(probe.index for probe in batch.probes)})


class Drawer:
    """Reads the logits of contexts of one model."""

    def __init__(self, vocab_size: int) -> None:
        self._log_softmax = LogSoftmax(vocab_size)

    def draw(self, context: NativeContext, batch: Batch, samplers: list[Sampler], before: int) -> list[int]:
        """A token for each output of the batch, or NOT_DRAWN behind a wrong draft.

        `before` is the last token drawn in an earlier part of the same batch.
        """
        if not batch.outputs:
            return []
        rows = context.rows(len(_with_row(batch)))
        if batch.probes:
            rows = rows[row_numbers(batch.outputs, batch)]
        chosen = [int(rows[0].argmax())] if len(rows) == 1 else cast(list[int], rows.argmax(axis=1).tolist())
        for row, (index, sampler) in enumerate(zip(batch.outputs, samplers, strict=True)):
            if index in batch.drafts and batch.is_wrong(index, before, sampler.outcome):
                chosen[row] = NOT_DRAWN
            elif sampler is not GREEDY:
                chosen[row] = self._sample(context, index, rows[row], chosen[row], sampler)
            before = chosen[row]
        return chosen

    def _sample(
        self, context: NativeContext, index: int, logits: Any, likeliest: int, sampler: Sampler
    ) -> int:
        if sampler is GREEDY:
            return likeliest
        if type(sampler) is GrammarSampler:
            return sampler.sample(logits, likeliest)
        if type(sampler) is ReasoningBudget:
            token = sampler.forced()
            if token is None or not sampler.inner.accept(token):
                token = self._sample(context, index, logits, likeliest, sampler.inner)
            sampler.take(token)
            return token
        if type(sampler) is Reporting:
            token = self._sample(context, index, logits, likeliest, sampler.inner)
            sampler.note(self._log_softmax.report(logits, token, sampler.num_top))
            return token
        return cast(ChainSampler, sampler).sample(context.handle, index)

    def log_probabilities(self, context: NativeContext, batch: Batch) -> list[list[float]]:
        """See Backend. `context` has computed the batch."""
        rows = context.rows(len(_with_row(batch)))
        numbers = row_numbers([probe.index for probe in batch.probes], batch)
        return [
            self._log_softmax(rows[number], probe.tokens or [int(rows[number].argmax())])
            for number, probe in zip(numbers, batch.probes, strict=True)
        ]
