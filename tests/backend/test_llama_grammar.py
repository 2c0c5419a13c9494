"""Grammars over the logits of the real model, against llama.cpp's own grammar sampler."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xapp.backend.base import Batch, Outcome, Sampler, StatelessSampler
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.native import llama
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.messages import SamplingParams
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf

pytestmark = pytest.mark.slow
PROMPT = [504, 3575, 282, 4649, 314]
GRAMMARS = {
    "json": r"""root ::= "{" [ ]? "\"" [a-z ]{1,12} "\":" value ("," value){2,4} "}"
value ::= [0-9]{1,3} | "\"" [^"\\]{0,20} "\"" | "[" value? "]"
""",
    "unlikely": 'root ::= "xq7zt" [A-Z]{3} "日本語€"',
    "words": 'root ::= ("the " | "a " | "an ")+ ("cell" | "load") "."',
    "prose": 'root ::= [^.]{20,60} "."',
}


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=2, kv_cells=256, threads=1)
    loaded = load(str(default_model_path), settings, Node(8 << 30, 1), lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vocab(default_model_path: Path) -> Iterator[Vocab]:
    loaded = Vocab(default_model_path)
    yield loaded
    loaded.close()


def program(text: str) -> bytes:
    return compile_rules(read_gbnf(text)).encode()


def answer(backend: LlamaBackend, sampler: Sampler, limit: int = 60) -> list[int]:
    """Until the grammar is complete or the model ends it, the end left out."""
    tokens = list(PROMPT)
    try:
        while len(tokens) < len(PROMPT) + limit and sampler.outcome is Outcome.OPEN:
            batch = Batch()
            start = 0 if len(tokens) == len(PROMPT) else len(tokens) - 1
            batch.extend(tokens[start:], start, 0)
            batch.want_output()
            (token,) = backend.decode(batch, [sampler])
            if backend.is_end(token):
                break
            tokens.append(token)
    finally:
        backend.remove(0)
    return tokens[len(PROMPT) :]


class LlamasOwn(StatelessSampler):
    """llama.cpp's grammar over its greedy sampler, the whole vocabulary for every token."""

    def __init__(self, vocab: Vocab, text: str) -> None:
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        grammar = llama.llama_sampler_init_grammar(vocab._vocab, text.encode(), b"root")
        llama.llama_sampler_chain_add(self._chain, grammar)
        llama.llama_sampler_chain_add(self._chain, llama.llama_sampler_init_greedy())

    def sample(self, context: ctypes.c_void_p, index: int) -> int:
        return int(llama.llama_sampler_sample(self._chain, context, index))

    def close(self) -> None:
        llama.llama_sampler_free(self._chain)


@pytest.mark.parametrize("name", GRAMMARS)
def test_greedy_is_what_llama_cpp_says(backend: LlamaBackend, vocab: Vocab, name: str) -> None:
    text = GRAMMARS[name]
    own = LlamasOwn(vocab, text)
    expected = answer(backend, own)
    own.close()
    sampler = backend.new_sampler(SamplingParams(grammar=program(text)), PROMPT)
    assert answer(backend, sampler) == expected
    assert len(expected) > 3


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 1.0},
        {"temperature": 2.0, "top_k": 3},
        {"temperature": 0.8, "top_p": 0.9, "min_p": 0.05},
    ],
)
@pytest.mark.parametrize("name", GRAMMARS)
def test_draws_keep_to_the_grammar_and_to_their_seed(
    backend: LlamaBackend, name: str, fields: dict[str, float]
) -> None:
    def draw(seed: int) -> list[int]:
        params = SamplingParams(seed=seed, grammar=program(GRAMMARS[name]), **fields)  # type: ignore[arg-type]
        sampler = backend.new_sampler(params, PROMPT)
        tokens = answer(backend, sampler)
        assert sampler.outcome is not Outcome.STUCK
        sampler.close()
        sampler.close()
        return tokens

    assert draw(1) == draw(1)


def test_draws_have_the_shares_of_what_is_allowed(backend: LlamaBackend) -> None:
    """Of tokens that the unconstrained draw hardly ever brings."""
    sampler = backend.new_sampler(SamplingParams(temperature=1.0, grammar=program("root ::= [0-9]")), PROMPT)
    logits = np.full(backend.info.vocab_size, -20.0, dtype=np.float32)
    digits = [next(t for t in range(1000) if backend.pieces.piece(t) == b"%d" % n) for n in range(10)]
    logits[504] = 10.0
    logits[digits[3]], logits[digits[7]] = 1.0, 1.0 + np.log(3.0)
    counts = {digits[3]: 0, digits[7]: 0}
    for seed in range(400):
        params = SamplingParams(temperature=1.0, seed=seed, grammar=program("root ::= [0-9]"))
        sampler = backend.new_sampler(params, PROMPT)
        counts[sampler.sample(logits, 504)] += 1  # type: ignore[attr-defined]
        sampler.close()
    assert 0.65 < counts[digits[7]] / 400 < 0.85


def test_a_penalty_and_a_grammar_go_together(backend: LlamaBackend) -> None:
    params = SamplingParams(repeat_penalty=1.3, grammar=program(GRAMMARS["prose"]))
    sampler = backend.new_sampler(params, PROMPT)
    tokens = answer(backend, sampler)
    sampler.close()
    text = b"".join(map(backend.pieces.piece, tokens)).decode()
    assert text.endswith(".")
    assert 21 <= len(text) <= 61
