"""A deterministic Backend without a model: for unit tests, and for a server under test (`XAPP_BACKEND=fake`).

The next token is a function of the whole sequence, computed from the content of this backend's own
cells: wrong positions, a lost prefix or an extra cell cause a wrong answer or a DecodeError.
Tokens are bytes, 256 and up are control tokens, as in `backend.byte_vocab`.
"""

import time
from collections.abc import Callable, Sequence

from xapp.backend.base import NOT_DRAWN, Batch, DecodeError, Interrupted, Probe, Sampler
from xapp.backend.byte_vocab import BOS
from xapp.backend.constraint import Constraint, Machines
from xapp.backend.draft_model import DraftModel
from xapp.backend.fake_cells import FakeCells
from xapp.backend.fake_draft import FakeDraft
from xapp.backend.fake_rule import END_TOKEN, VOCAB_SIZE, hidden_state, log_probability, next_token
from xapp.backend.fake_sampler import FakeSampler, held, report
from xapp.backend.interrupt import Interrupt
from xapp.backend.reasoning_budget import CLOSING, ReasoningBudget
from xapp.backend.reporting import Reporting
from xapp.config import EngineSettings
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning


def _piece(token: int) -> bytes:
    return bytes([token]) if token < BOS else b""


def fake_info(settings: EngineSettings) -> ModelInfo:
    """The properties that the fake states."""
    return ModelInfo(
        description="fake 0B",
        size_bytes=0,
        context_length=settings.context_length or 4096,
        num_slots=settings.slots or min(8, settings.batch_tokens),
        kv_cells_total=settings.kv_cells or 8192,
        kv_bytes=0,
        kv_type="f16",
        flash_attention=False,
        num_threads=1,
        gpu_layers=0,
        step_budget_s=settings.step_budget_s,
        prefill_share=settings.prefill_share,
        batch_tokens=settings.batch_tokens,
        strategy=settings.strategy,
        draft=settings.draft,
        vocab_size=VOCAB_SIZE,
    )


class FakeBackend:
    """Refuses wrong positions and too many cells. `decode` is a step of the engine, without a model."""

    def __init__(
        self,
        settings: EngineSettings | None = None,
        *,
        num_sequences: int | None = None,
        num_branches: int = 8,
        num_probes: int = 16,
        num_steady: int = 0,
        rule: Callable[[Sequence[int]], int] = next_token,
        step_s: float = 0.0,
        token_s: float = 0.0,
    ) -> None:
        self._info = fake_info(settings or EngineSettings())
        self.num_sequences = num_sequences or 2 * self._info.num_slots
        self._rule = rule
        self._step_s, self._token_s = step_s, token_s
        self.num_branches, self.num_probes, self.num_steady = num_branches, num_probes, num_steady
        self._cells = FakeCells(self.num_sequences + num_branches)
        self.live_samplers: set[int] = set()
        self.draft: DraftModel | None = FakeDraft(rule) if self._info.draft else None
        self.interrupt = Interrupt()
        self._machines = Machines()
        self.batches: list[int] = []
        self.isolated: list[int] | None = None
        """The tokens of the isolated sequence."""
        self.isolated_fits = True
        self._read: list[list[float]] = []

    @property
    def info(self) -> ModelInfo:
        """See Backend."""
        return self._info

    @property
    def used(self) -> int:
        """Cells that belong to at least one sequence."""
        return self._cells.used

    def content(self, seq_id: int) -> list[int]:
        """The tokens in a sequence's cells."""
        return self._cells.content(seq_id)

    def is_end(self, token: int) -> bool:
        """See Backend."""
        return token == END_TOKEN

    def new_sampler(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """See Backend."""
        constraint = None
        if params.grammar is not None:
            constraint = Constraint(self._machines.get(params.grammar, scope), _piece, self.is_end)
        sampler: Sampler = FakeSampler(params, self.live_samplers, constraint)
        if params.max_reasoning_tokens is not None:
            budget = params.max_reasoning_tokens
            sampler = ReasoningBudget(sampler, _piece, list(CLOSING), budget=budget, prompt=prompt)
        wanted = params.top_log_probabilities
        return sampler if wanted is None else Reporting(sampler, wanted)

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """See Backend. Takes `step_s`, and `token_s` a token, of real time."""
        if self.interrupt.is_set:
            raise Interrupted
        if batch.isolated:
            return self._decode_isolated(batch, samplers)
        if self.used + len(batch) > self._info.kv_cells_total:
            raise DecodeError(1)
        assert len(samplers) == len(batch.outputs)
        assert len(batch.probes) <= self.num_probes
        assert not batch.apart or not (batch.probes or batch.drafts or batch.shared)
        for index in batch.hidden:  # computed first, in batches of their own
            assert batch.seq_ids.count(batch.seq_ids[index]) == 1
        wanted = set(batch.outputs)
        probes = {probe.index: probe for probe in batch.probes}
        answers: list[int] = []
        self._read = []
        for index, (token, position, seq_id) in enumerate(
            zip(batch.tokens, batch.positions, batch.seq_ids, strict=True)
        ):
            if position != self._cells.length(seq_id):
                raise DecodeError(-1)
            self._cells.append(seq_id, token)
            for other in batch.shared.get(index, ()):
                if position != self._cells.length(other):
                    raise DecodeError(-1)
                self._cells.share_last(seq_id, other)
            if index in wanted:
                answers.append(self._draw(batch, index, answers, samplers[len(answers)]))
            if index in probes:
                self._read.append(self._answer(probes[index], self.content(seq_id)))
        self._took(batch)
        return answers

    def _answer(self, probe: Probe, content: list[int]) -> list[float]:
        if probe.hidden:
            return hidden_state(content)
        asked = probe.tokens or [self._rule(content)]
        return [log_probability(content, each) for each in asked]

    def _draw(self, batch: Batch, index: int, drawn: list[int], sampler: Sampler) -> int:
        if index in batch.drafts and batch.is_wrong(index, drawn[-1], sampler.outcome):
            return NOT_DRAWN
        content = self.content(batch.seq_ids[index])
        token = held(sampler, self._rule(content))
        if isinstance(sampler, Reporting):
            sampler.note(report(content, token, sampler.num_top))
        return token

    def _decode_isolated(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        assert self.isolated is not None
        assert len(samplers) == len(batch.outputs) <= 1
        assert batch.positions == list(range(len(self.isolated), len(self.isolated) + len(batch)))
        self.isolated += batch.tokens
        self._took(batch)
        return [held(sampler, self._rule(self.isolated)) for sampler in samplers]

    def _took(self, batch: Batch) -> None:
        self.batches.append(len(batch))
        if delay := self._step_s + self._token_s * len(batch):
            time.sleep(delay)

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """See Backend."""
        assert len(self._read) == len(batch.probes)
        return self._read

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """See Backend."""
        self._cells.copy_prefix(source, target, length)

    def remove(self, seq_id: int, start: int = 0) -> None:
        """See Backend."""
        self._cells.remove(seq_id, start)

    def open_isolated(self, num_tokens: int) -> bool:
        """See Backend."""
        assert self.isolated is None
        if self.isolated_fits:
            self.isolated = []
        return self.isolated_fits

    def close_isolated(self) -> None:
        """See Backend."""
        self.isolated = None

    @property
    def thread_choices(self) -> tuple[int, ...]:
        """See Backend: none."""
        return ()

    def set_threads(self, single: int, batch: int) -> None:
        """Does nothing."""

    def remember(self, tuning: Tuning) -> None:
        """Stores nothing."""

    def save(self, seq_id: int) -> object:
        """See Backend."""
        return tuple(self.content(seq_id))

    def restore(self, seq_id: int, state: object) -> bool:
        """See Backend."""
        assert isinstance(state, tuple)
        assert not self._cells.length(seq_id)
        if self.used + len(state) > self._info.kv_cells_total:
            return False
        for token in state:
            self._cells.append(seq_id, token)
        return True

    def close(self) -> None:
        """Nothing to free."""
