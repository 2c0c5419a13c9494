"""Chains of samplers over the logits of the real model."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from xapp.backend.base import Batch
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY, ChainSampler
from xapp.backend.reasoning_budget import CLOSE
from xapp.backend.reporting import Reporting
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.messages import SamplingParams

pytestmark = pytest.mark.slow
PROMPT = [504, 3575, 282, 4649, 314]
Draw = Callable[..., list[int]]


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=2, kv_cells=256, threads=1)
    loaded = load(str(default_model_path), settings, Node(8 << 30, 1), lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture
def draw(backend: LlamaBackend) -> Draw:
    def run(count: int = 12, prompt: list[int] = PROMPT, **fields: Any) -> list[int]:
        params = SamplingParams(**fields)
        sampler = backend.new_sampler(params, prompt)
        tokens = list(prompt)
        try:
            while len(tokens) < len(prompt) + count:
                batch = Batch()
                start = 0 if len(tokens) == len(prompt) else len(tokens) - 1
                batch.extend(tokens[start:], start, 0)
                batch.want_output()
                tokens += backend.decode(batch, [sampler])
        finally:
            backend.remove(0)
            sampler.close()
        return tokens[len(prompt) :]

    return run


def test_the_plain_argmax_needs_no_chain(backend: LlamaBackend) -> None:
    assert backend.new_sampler(SamplingParams(), []) is GREEDY
    # What only shapes a draw does not matter to the argmax.
    assert backend.new_sampler(SamplingParams(top_k=5, top_p=0.5, seed=9), []) is GREEDY


@pytest.mark.parametrize(
    "fields",
    [{"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"temperature": 0.001}],
    ids=["top_k 1", "top_p 0", "min_p 1", "temperature near 0"],
)
def test_a_draw_from_one_token_is_the_argmax(draw: Draw, fields: dict[str, float]) -> None:
    assert draw(**{"temperature": 1.0, "seed": 3, **fields}) == draw()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 2, 2**32 - 1])
def test_the_same_seed_draws_the_same(draw: Draw, seed: int) -> None:
    assert draw(temperature=1.5, seed=seed) == draw(temperature=1.5, seed=seed)


def test_another_seed_draws_something_else(draw: Draw) -> None:
    assert len({tuple(draw(temperature=1.5, seed=seed)) for seed in range(4)}) == 4


def test_a_repeat_penalty_ends_repetition(draw: Draw) -> None:
    prompt = [504, 3575] * 20
    plain, penalised = draw(prompt=prompt), draw(prompt=prompt, repeat_penalty=1.5)
    assert plain[:4] == [504, 3575, 504, 3575]
    assert len(set(penalised)) > len(set(plain))
    # The prompt's tail counts, not only what was generated.
    assert penalised[0] not in prompt


def test_the_presence_penalty_counts_the_answer_only(draw: Draw) -> None:
    prompt = [504, 3575] * 20
    plain, penalised = draw(prompt=prompt), draw(prompt=prompt, presence_penalty=2.0, frequency_penalty=2.0)
    assert penalised[0] == plain[0] == 504
    assert len(set(penalised)) > len(set(plain))


def test_a_bias_of_the_draw(draw: Draw) -> None:
    first = draw(1)[0]
    assert draw(3, logit_bias=((first, -100.0),))[0] != first
    assert draw(3, logit_bias=((7, 100.0),)) == [7, 7, 7]


@pytest.mark.parametrize("fields", [{}, {"temperature": 1.5, "seed": 1}, {"logit_bias": ((7, 100.0),)}])
def test_reports_are_the_models_own_log_probabilities(backend: LlamaBackend, fields: dict[str, Any]) -> None:
    """Whatever the sampling parameters, the same as Score's."""
    sampler = backend.new_sampler(SamplingParams(top_log_probabilities=3, **fields), PROMPT)
    assert isinstance(sampler, Reporting)
    batch = Batch()
    batch.extend(PROMPT, 0, 0)
    batch.want_output()
    try:
        (token,) = backend.decode(batch, [sampler])
        (report,) = sampler.take_reports()
        backend.remove(0)
        probe = Batch()
        probe.extend(PROMPT, 0, 0)
        probe.want_log_probabilities([token, *(each for each, _ in report.top)])
        backend.decode(probe, [])
        (read,) = backend.log_probabilities(probe)
    finally:
        backend.remove(0)
        sampler.close()
    assert [report.log_probability, *(value for _, value in report.top)] == pytest.approx(read, abs=1e-4)
    values = [value for _, value in report.top]
    assert values == sorted(values, reverse=True)
    assert sampler.take_reports() == []


@pytest.mark.parametrize("fields", [{}, {"temperature": 1.0, "seed": 1}])
def test_reasoning_is_closed_after_its_budget(
    backend: LlamaBackend, default_model_path: Path, draw: Draw, fields: dict[str, Any]
) -> None:
    with closing(Vocab(str(default_model_path))) as vocab:
        prompt = vocab.tokenize("Is 7 prime?<think>", parse_special=False)
        tokens = draw(12, prompt=prompt, max_reasoning_tokens=3, **fields)
        plain = draw(12, prompt=prompt, **fields)
        text = b"".join(map(vocab.piece, tokens))
    assert tokens[:3] == plain[:3]
    assert text.partition(CLOSE)[1]


def test_a_penalty_of_one_is_none(draw: Draw) -> None:
    assert draw(repeat_penalty=1.0) == draw()


def test_closing_twice_is_safe(backend: LlamaBackend) -> None:
    sampler = backend.new_sampler(SamplingParams(temperature=1.0), [])
    assert isinstance(sampler, ChainSampler)
    sampler.close()
    sampler.close()
