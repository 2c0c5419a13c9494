"""Verification on the real model: its own tokens are accepted, up to float noise, and likely ones are not
surprising.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.backend.test_llama import NOISE, Answers, alone, logits
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.messages import Drafts, SamplingParams, SequenceScored

pytestmark = pytest.mark.slow
TOKENS = 16
TEXT = "The three largest cities of France are"


@contextmanager
def loaded(path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=3, kv_cells=1024, threads=1, flash_attention="on")
    backend = load(str(path), settings, Node(8 << 30, 1), lambda _: None)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    with loaded(default_model_path) as backend:
        yield backend


@pytest.fixture(scope="module")
def quick(shallow_model_path: Path) -> Iterator[LlamaBackend]:
    """For many draws: what is drawn follows from the model's numbers, whatever they mean."""
    with loaded(shallow_model_path) as backend:
        yield backend


@pytest.fixture(scope="module")
def prompt(default_model_path: Path) -> list[int]:
    vocab = Vocab(default_model_path)
    tokens = vocab.tokenize(TEXT)
    vocab.close()
    return tokens


@pytest.fixture(scope="module")
def own(backend: LlamaBackend, prompt: list[int]) -> list[int]:
    return alone(backend, prompt, TOKENS, ignore_eos=True)


def verified(
    answers: Answers, prompt: list[int], drafts: list[int], *, exact: bool = True, **fields: object
) -> SequenceScored:
    number = answers.submit(prompt, 1, verify=Drafts(drafts, exact), ignore_eos=True, **fields)
    found: list[SequenceScored] = []
    while number not in answers.finished:
        events = answers.engine.step()
        found += events.scored
        answers.finished |= {end.request_id: end for end in events.finished}
    (result,) = found
    return result


def test_the_model_accepts_its_own_tokens(backend: LlamaBackend, prompt: list[int], own: list[int]) -> None:
    drawn = verified(Answers(backend), prompt, own[:-1]).tokens
    if drawn == own:
        return
    place = len(drawn) - 1
    row = logits(backend, [*prompt, *own[:place]], 512)[0]
    gap = abs(float(row[drawn[place]] - row[own[place]]))
    assert gap < NOISE * float(row.max() - row.min()), f"parted at place {place}, margin {gap:.4f}"


def test_a_wrong_draft_is_corrected(backend: LlamaBackend, prompt: list[int], own: list[int]) -> None:
    wrong = (own[2] + 1) % backend.info.vocab_size
    drawn = verified(Answers(backend), prompt, [*own[:2], wrong, *own[3:6]]).tokens
    assert drawn == own[:3]


def test_surprisals_are_those_of_the_logits(backend: LlamaBackend, prompt: list[int], own: list[int]) -> None:
    answers = Answers(backend)
    # Behind a cached prefix as well.
    verified(answers, prompt, own[:4])
    result = verified(answers, [*prompt, *own[:3]], [own[3], 100, 200], exact=False)
    assert len(result.tokens) == 4
    tokens = [*prompt, *own[:3]]
    for draft, drawn, value in zip(
        [own[3], 100, 200], result.tokens, result.log_probabilities[0], strict=False
    ):
        row = logits(backend, tokens, 512)[0].astype(np.float64)
        assert row[drawn] > row.max() - NOISE * (row.max() - row.min())
        expected = row[draft] - row.max() - np.log(np.exp(row - row.max()).sum())
        assert value == pytest.approx(expected, abs=0.2)
        tokens.append(draft)


def test_drawn_tokens_follow_the_seed(backend: LlamaBackend, prompt: list[int]) -> None:
    drawn = [
        verified(Answers(backend), prompt, [], sampling=SamplingParams(temperature=5.0, seed=seed)).tokens[0]
        for seed in (1, 1, 2, 3, 4)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 2


def test_drawn_tokens_have_the_model_s_distribution(quick: LlamaBackend, prompt: list[int]) -> None:
    """The draft does not change what is drawn in its place. Chi-square with 3 degrees of freedom."""
    row = logits(quick, prompt, 512)[0].astype(np.float64)
    likeliest = np.argsort(row)[::-1][:4]
    shares = np.exp(row[likeliest] - row.max())
    shares /= shares.sum()
    answers, counts = Answers(quick), dict.fromkeys(likeliest.tolist(), 0)
    for seed in range(200):
        sampling = SamplingParams(temperature=1.0, top_k=4, seed=seed)
        result = verified(answers, prompt, [int(likeliest[seed % 4])], sampling=sampling)
        counts[result.tokens[0]] += 1
    expected = 200 * shares
    chi_square = float((((np.array(list(counts.values())) - expected) ** 2) / expected).sum())
    assert chi_square < 16.27, f"{counts} instead of {expected.round(1)}"
