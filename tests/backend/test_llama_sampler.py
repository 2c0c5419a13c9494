"""Chains of samplers over the logits of the real model."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xapp.backend.base import Batch
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY, ChainSampler
from xapp.backend.sizing import Node
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
    def run(count: int = 12, prompt: list[int] = PROMPT, **fields: float) -> list[int]:
        params = SamplingParams(**fields)  # type: ignore[arg-type]
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


def test_a_penalty_of_one_is_none(draw: Draw) -> None:
    assert draw(repeat_penalty=1.0) == draw()


def test_closing_twice_is_safe(backend: LlamaBackend) -> None:
    sampler = backend.new_sampler(SamplingParams(temperature=1.0), [])
    assert isinstance(sampler, ChainSampler)
    sampler.close()
    sampler.close()
