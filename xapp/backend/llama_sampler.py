"""Samplers on llama.cpp's chains. The plain argmax needs no chain: numpy finds it in a tenth of the time."""

import ctypes
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from xapp.backend.base import Outcome, StatelessSampler
from xapp.backend.native import llama
from xapp.domain.messages import MAX_SEED, SamplingParams

PENALTY_WINDOW = 64
ANSWER_WINDOW = 8192
"""Tokens of an answer that the presence and the frequency penalty see."""


_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class GreedySampler(StatelessSampler):
    """The sampler of a sequence whose next token is the argmax."""


GREEDY = GreedySampler()


class ChainMark:
    """A copy of a chain, freed with its last reference."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def copy(self) -> Any:
        """A new chain that continues from this state."""
        return llama.llama_sampler_clone(self._chain)

    def __del__(self) -> None:
        llama.llama_sampler_free(self._chain)


class ChainSampler:
    """A llama_sampler chain: bias, penalties, top-k, top-p, min-p, temperature, draw."""

    outcome = Outcome.OPEN

    def __init__(self, params: SamplingParams, prompt: list[int], vocab_size: int) -> None:
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        self._data = np.zeros(0, dtype=_TOKEN_DATA)
        for link in _links(params, prompt, vocab_size):
            llama.llama_sampler_chain_add(self._chain, link)

    def sample(self, context: Any, index: int) -> int:
        """Draws from the logits of the batch's token `index`, and remembers the choice."""
        return int(llama.llama_sampler_sample(self._chain, context, index))

    def choose(
        self, tokens: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]
    ) -> tuple[int, npt.NDArray[Any]]:
        """Draws one of these tokens without remembering it: see `accept`.

        Also returns the candidates that the chain left, `id` and `logit`, valid until the next call.
        """
        if len(self._data) < len(tokens):
            self._data = np.zeros(len(tokens), dtype=_TOKEN_DATA)
        data = self._data[: len(tokens)]
        data["id"], data["logit"] = tokens, logits
        pointer = ctypes.cast(data.ctypes.data, ctypes.POINTER(llama.llama_token_data))
        array = llama.llama_token_data_array(pointer, len(data), -1, False)
        llama.llama_sampler_apply(self._chain, ctypes.byref(array))
        assert ctypes.addressof(array.data.contents) == data.ctypes.data, "chains work in place"
        return int(data["id"][array.selected]), data[: array.size]

    def accept(self, token: int) -> bool:
        """Remembers a choice, for the repeat penalty."""
        llama.llama_sampler_accept(self._chain, token)
        return True

    def mark(self) -> ChainMark:
        """See Sampler. llama.cpp copies the whole chain."""
        return ChainMark(llama.llama_sampler_clone(self._chain))

    def rollback(self, mark: object) -> None:
        """See Sampler."""
        chain = cast(ChainMark, mark).copy()
        self.close()
        self._chain = chain

    def close(self) -> None:
        """Frees the chain. Safe to call twice."""
        if self._chain is not None:
            llama.llama_sampler_free(self._chain)
            self._chain = None


def _links(params: SamplingParams, prompt: list[int], vocab_size: int) -> list[Any]:
    links = _shifts(params, prompt, vocab_size) if params.shifts_logits else []
    if params.temperature == 0:
        return [*links, llama.llama_sampler_init_greedy()]
    if params.top_k > 0:
        links.append(llama.llama_sampler_init_top_k(params.top_k))
    if params.top_p < 1.0:
        links.append(llama.llama_sampler_init_top_p(params.top_p, 1))
    if params.min_p > 0:
        links.append(llama.llama_sampler_init_min_p(params.min_p, 1))
    links.append(llama.llama_sampler_init_temp(params.temperature))
    return [*links, llama.llama_sampler_init_dist(min(params.seed, MAX_SEED))]


def _shifts(params: SamplingParams, prompt: list[int], vocab_size: int) -> list[Any]:
    """The links that change logits. The repeat penalty sees the prompt's tail, the others the answer only."""
    links: list[Any] = []
    if params.logit_bias:
        biases = (llama.llama_logit_bias * len(params.logit_bias))(*params.logit_bias)
        links.append(llama.llama_sampler_init_logit_bias(vocab_size, len(biases), biases))
    if params.repeat_penalty != 1.0:
        penalty = params.repeat_penalty
        link = llama.llama_sampler_init_penalties(vocab_size, PENALTY_WINDOW, penalty, 0.0, 0.0)
        for token in prompt[-PENALTY_WINDOW:]:
            llama.llama_sampler_accept(link, token)
        links.append(link)
    if params.frequency_penalty or params.presence_penalty:
        pair = (params.frequency_penalty, params.presence_penalty)
        links.append(llama.llama_sampler_init_penalties(vocab_size, ANSWER_WINDOW, 1.0, *pair))
    return links
