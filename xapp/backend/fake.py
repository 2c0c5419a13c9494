"""A deterministic Backend without a model: for unit tests, and for a server under test (`XAPP_BACKEND=fake`).

The next token is a function of the whole sequence, computed from the content of this backend's own
cells: wrong positions, a lost prefix or an extra cell cause a wrong answer or a DecodeError.
Tokens are bytes, 256 and up are control tokens, as in `backend.byte_vocab`.
"""

import time
import zlib
from array import array
from collections.abc import Callable, Sequence

from xapp.backend.base import NOT_DRAWN, Batch, DecodeError, Interrupted, Outcome, Sampler
from xapp.backend.byte_vocab import BOS
from xapp.backend.constraint import Constraint, Machines
from xapp.backend.draft_model import DraftModel
from xapp.backend.fake_draft import FakeDraft
from xapp.backend.interrupt import Interrupt
from xapp.backend.reasoning_budget import CLOSING, ReasoningBudget
from xapp.backend.reporting import Report, Reporting
from xapp.config import EngineSettings
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning

END_TOKEN = 257
VOCAB_SIZE = 260
# Characters that end a value come first, so that answers with a grammar are short.
_ORDER = (END_TOKEN, *b'"}]0a', *range(256))
_WORDS = b"the cell load is fine and no handover is due \xc3\xa9 \xe2\x82\xac. "
_SPACE = ord(" ")
_SPACES = b"    ,;:-+*/=<>~|"
"""A space of the words becomes one of these: an answer shows of which content it is a function."""


def next_token(tokens: Sequence[int]) -> int:
    """The token after `tokens`: words, and an end about every 200 tokens."""
    digest = zlib.crc32(array("i", tokens).tobytes())
    if digest % 200 == 0:
        return END_TOKEN
    token = _WORDS[len(tokens) % len(_WORDS)]
    return token if token != _SPACE else _SPACES[(digest >> 8) % len(_SPACES)]


def log_probability(tokens: Sequence[int], token: int) -> float:
    """Log-probability of `token` after `tokens`: from -8 to 0, and different after other tokens."""
    return -(zlib.crc32(array("i", [*tokens, token]).tobytes()) % 8000) / 1000


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


def _piece(token: int) -> bytes:
    return bytes([token]) if token < BOS else b""


def _held(sampler: Sampler, token: int) -> int:
    inner = sampler.inner if isinstance(sampler, Reporting) else sampler
    if isinstance(inner, ReasoningBudget):
        forced = inner.forced()
        token = _held(inner.inner, token) if forced is None else forced
        inner.take(token)
        return token
    return inner.hold(token) if isinstance(inner, FakeSampler) else token


def _report(content: Sequence[int], token: int, num_top: int) -> Report:
    """The tokens beside the drawn token are those that follow it."""
    top = [(token + number, log_probability(content, token + number)) for number in range(num_top)]
    return Report(log_probability(content, token), top)


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
    """Keeps each sequence's cells as (position, token). A shared prefix shares cells."""

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
        self._cells: list[list[int]] = [[] for _ in range(self.num_sequences + num_branches)]
        self._tokens: dict[int, int] = {}
        self._owners: dict[int, int] = {}
        self._next_cell = 0
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
        return len(self._owners)

    def content(self, seq_id: int) -> list[int]:
        """The tokens in a sequence's cells."""
        return [self._tokens[cell] for cell in self._cells[seq_id]]

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
        wanted = set(batch.outputs)
        probes = {probe.index: probe.tokens for probe in batch.probes}
        answers: list[int] = []
        self._read = []
        for index, (token, position, seq_id) in enumerate(
            zip(batch.tokens, batch.positions, batch.seq_ids, strict=True)
        ):
            if position != len(self._cells[seq_id]):
                raise DecodeError(-1)
            self._append(seq_id, token)
            for other in batch.shared.get(index, ()):
                if position != len(self._cells[other]):
                    raise DecodeError(-1)
                self._share(self._cells[seq_id][-1], other)
            if index in wanted:
                answers.append(self._draw(batch, index, answers, samplers[len(answers)]))
            if index in probes:
                content = self.content(seq_id)
                asked = probes[index] or [self._rule(content)]
                self._read.append([log_probability(content, each) for each in asked])
        self._took(batch)
        return answers

    def _draw(self, batch: Batch, index: int, drawn: list[int], sampler: Sampler) -> int:
        if index in batch.drafts and batch.is_wrong(index, drawn[-1], sampler.outcome):
            return NOT_DRAWN
        content = self.content(batch.seq_ids[index])
        token = _held(sampler, self._rule(content))
        if isinstance(sampler, Reporting):
            sampler.note(_report(content, token, sampler.num_top))
        return token

    def _decode_isolated(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        assert self.isolated is not None
        assert len(samplers) == len(batch.outputs) <= 1
        assert batch.positions == list(range(len(self.isolated), len(self.isolated) + len(batch)))
        self.isolated += batch.tokens
        self._took(batch)
        return [_held(sampler, self._rule(self.isolated)) for sampler in samplers]

    def _took(self, batch: Batch) -> None:
        self.batches.append(len(batch))
        if delay := self._step_s + self._token_s * len(batch):
            time.sleep(delay)

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """See Backend."""
        assert len(self._read) == len(batch.probes)
        return self._read

    def _share(self, cell: int, seq_id: int) -> None:
        self._owners[cell] += 1
        self._cells[seq_id].append(cell)

    def _append(self, seq_id: int, token: int) -> None:
        cell = self._next_cell
        self._next_cell += 1
        self._tokens[cell] = token
        self._owners[cell] = 1
        self._cells[seq_id].append(cell)

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """See Backend."""
        assert not self._cells[target]
        shared = self._cells[source][:length]
        assert len(shared) == length
        for cell in shared:
            self._owners[cell] += 1
        self._cells[target] = shared

    def remove(self, seq_id: int, start: int = 0) -> None:
        """See Backend."""
        for cell in self._cells[seq_id][start:]:
            self._owners[cell] -= 1
            if not self._owners[cell]:
                del self._owners[cell], self._tokens[cell]
        del self._cells[seq_id][start:]

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
        assert not self._cells[seq_id]
        if self.used + len(state) > self._info.kv_cells_total:
            return False
        for token in state:
            self._append(seq_id, token)
        return True

    def close(self) -> None:
        """Nothing to free."""
