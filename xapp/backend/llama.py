"""LlamaBackend: the only owner of a llama.cpp context. One context, many sequences, one unified KV cache."""

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np

from xapp.backend.base import NOT_DRAWN, Batch, Sampler
from xapp.backend.interrupt import Interrupt, flag_function
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_context import NativeContext
from xapp.backend.llama_draft import LlamaDraft
from xapp.backend.llama_draw import Drawer
from xapp.backend.llama_hidden import HiddenStates
from xapp.backend.llama_pieces import Pieces
from xapp.backend.llama_samplers import Samplers
from xapp.backend.llama_tuning import Profile
from xapp.backend.native import llama
from xapp.backend.prompt_context import LEAST_OTHERS, NewPrompts, Prompts, bytes_of, saved
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning
from xapp.errors import ModelError

NewContext = Callable[[int], Any]
"""Makes a separate context for one sequence of so many tokens. Raises ModelError."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a context was made for; Backend explains them."""

    sequences: int
    branches: int
    probes: int
    steady: int


class LlamaBackend:
    """Takes over `model` and `context`, which `llama_load.load` makes.

    The model may be loaded without its vocabulary: `pieces` has the needed part of it.
    """

    def __init__(
        self,
        model: Any,
        context: Any,
        pieces: Pieces,
        info: ModelInfo,
        *,
        limits: Limits,
        max_batch: int,
        profile: Profile | None = None,
        new_isolated: NewContext | None = None,
        new_prompts: NewPrompts | None = None,
        draft: LlamaDraft | None = None,
    ) -> None:
        self._model = model
        self._context = context
        self.info = info
        self.draft = draft
        self.num_sequences = limits.sequences
        self.num_branches = limits.branches
        self.num_probes = limits.probes
        self.num_steady = limits.steady
        self._memory = llama.llama_get_memory(context)
        self._profile = profile
        self._new_isolated = new_isolated
        self._main = NativeContext(context, limits.sequences + limits.branches, info.vocab_size)
        self._isolated: NativeContext | None = None
        self._prompts = Prompts(self._main, new_prompts)
        self.interrupt = Interrupt()
        self._never = Interrupt()
        self._may_go_on = flag_function(llama.ggml_abort_callback)
        self._watch(self.interrupt)
        self._batch = NativeBatch(max_batch)
        size, on_cpu = llama.llama_model_n_embd(model), not (info.gpu_layers or info.shards)
        self._hidden = HiddenStates(self._main, self._batch, size, may_give_back=on_cpu)
        self.pieces = pieces
        self._samplers = Samplers(pieces, info.vocab_size)
        self._drawer = Drawer(info.vocab_size)

    def is_end(self, token: int) -> bool:
        """See Backend."""
        return token in self.pieces.ends

    def new_sampler(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """See Backend."""
        return self._samplers.new(params, prompt, scope)

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """See Backend."""
        if batch.isolated:
            assert self._isolated is not None, "an isolated batch has a context"
            return self._decode(self._isolated, batch, samplers)
        if hidden := batch.hidden:
            self._hidden.compute(batch, hidden)
            batch = self._hidden.rest
            if not len(batch):
                return []
        if batch.apart or self._has_prompts_only(batch):
            return self._decode_apart(batch, samplers)
        return self._decode_parts(batch, samplers)

    @staticmethod
    def _has_prompts_only(batch: Batch) -> bool:
        return batch.num_cells >= LEAST_OTHERS and not (batch.num_decode or batch.probes or batch.shared)

    def _decode_apart(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        count = batch.num_decode
        drawers = samplers[count:]
        first, *others = self._prompt_parts(batch)
        self._watch(self.interrupt)  # the context of prompts may be new
        tokens = self._decode_prompt(first, batch.num_cells, drawers)
        # The cells of the first part are there now: an interruption would lose them.
        with self._uninterrupted():
            for part in others:
                tokens += self._decode_prompt(part, batch.num_cells, drawers[len(tokens) :])
            answers = self._decode_parts(batch.answers(), samplers[:count]) if count else []
        return answers + tokens

    def _prompt_parts(self, batch: Batch) -> list[Batch]:
        """All prompts in one batch, unless some should be computed in their own context."""
        parts = list(batch.prompts())
        if any(self._prompts.for_part(part, batch.num_cells) for part in parts):
            return parts
        return [batch.all_prompts()]

    def _decode_prompt(self, prompt: Batch, num_cells: int, samplers: list[Sampler]) -> list[int]:
        some = samplers[: len(prompt.outputs)]
        if (own := self._prompts.for_part(prompt, num_cells)) is None:
            return self._decode(self._main, prompt, some)
        own.compute(prompt, self._batch)
        return self._drawer.draw(own.context, prompt, some, NOT_DRAWN)

    @contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        self._watch(self._never)
        try:
            yield
        finally:
            self._watch(self.interrupt)

    def _watch(self, interrupt: Interrupt) -> None:
        for handle in (self._context, *self._prompts.handles):
            llama.llama_set_abort_callback(handle, self._may_go_on, interrupt.address)

    def _decode_parts(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        tokens: list[int] = []
        for part in batch.parts():
            before = tokens[-1] if tokens else NOT_DRAWN
            some = samplers[len(tokens) : len(tokens) + len(part.outputs)]
            tokens += self._decode(self._main, part, some, before)
        return tokens

    def _decode(
        self, context: NativeContext, batch: Batch, samplers: list[Sampler], before: int = NOT_DRAWN
    ) -> list[int]:
        """`before` is the last token drawn in an earlier part of the same batch."""
        context.compute(self._batch.fill(batch), outputs=bool(batch.outputs))
        return self._drawer.draw(context, batch, samplers, before)

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """See Backend."""
        if not batch.hidden:
            return self._drawer.log_probabilities(self._main, batch)
        rest = self._hidden.rest
        return self._hidden.put_in(
            batch, self._drawer.log_probabilities(self._main, rest) if rest.probes else []
        )

    def logits_are_finite(self) -> bool:
        """Whether the last decode's first row of logits is finite."""
        return bool(np.isfinite(self._main.rows(1)).all())

    def give_back_logits(self) -> None:
        """See NativeContext."""
        self._main.give_back_logits()

    def open_isolated(self, num_tokens: int) -> bool:
        """See Backend."""
        assert self._isolated is None, "one sequence at a time is isolated"
        if self._new_isolated is None:
            return False
        try:
            context = self._new_isolated(num_tokens)
        except ModelError:
            return False
        llama.llama_set_abort_callback(context, self._may_go_on, self.interrupt.address)
        self._isolated = NativeContext(context, 1, self.info.vocab_size)
        return True

    def close_isolated(self) -> None:
        """See Backend."""
        if self._isolated is not None:
            self._isolated.close()
            self._isolated = None

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """See Backend."""
        llama.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def remove(self, seq_id: int, start: int = 0) -> None:
        """See Backend."""
        self._prompts.forget(seq_id, start)
        removed = llama.llama_memory_seq_rm(self._memory, seq_id, start, -1)
        assert removed, "only models that can share prefixes are cut inside a sequence"

    def save(self, seq_id: int) -> object:
        """See Backend."""
        return saved(self._context, seq_id)

    def restore(self, seq_id: int, state: object) -> bool:
        """See Backend."""
        data = cast(mmap.mmap, state)
        if llama.llama_state_seq_set_data(self._context, bytes_of(data), len(data), seq_id) != 0:
            return True
        self.remove(seq_id)
        return False

    @property
    def thread_choices(self) -> tuple[int, ...]:
        """See Backend."""
        return self._profile.threads if self._profile is not None else ()

    def set_threads(self, single: int, batch: int) -> None:
        """See Backend."""
        for handle in (self._context, *self._prompts.handles):
            llama.llama_set_n_threads(handle, single, batch)

    def remember(self, tuning: Tuning) -> None:
        """See Backend."""
        self.info = msgspec.structs.replace(
            self.info, tuning=tuning, curve=tuning.curve, num_threads=tuning.threads
        )
        if self._profile is not None:
            self._profile.remember(tuning)

    def close(self) -> None:
        """See Backend."""
        self._batch.close()
        self.close_isolated()
        self._prompts.close()
        if self.draft is not None:
            self.draft.close()
        self._main.close()
        llama.llama_model_free(self._model)
