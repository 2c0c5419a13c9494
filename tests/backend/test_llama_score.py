"""Scores on the real model against a bare llama.cpp loop: one sequence, one decode, every row of logits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xapp.backend.base import Batch
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load, num_probes
from xapp.backend.log_softmax import LogSoftmax
from xapp.backend.native import llama
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.messages import Submit
from xapp.engine.engine import Engine
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.choices import fits_one_step
from xapp.steps.step_cost import straight_curve

BOUND = 1e-3
"""A choice's log-probability differs by less. What is measured is 1e-6."""
ITEMS = (
    ("Sarah was a much better surgeon than Maria so Sarah", (" always got the harder cases.",)),
    ("Sarah was a much better surgeon than Maria so Maria", (" always got the harder cases.",)),
    (
        "The alarm says that the fan of cabinet 7 stands still. Severity:",
        (" low", " high", " none", " fatal"),
    ),
    ("The capital of France is", (" Paris", " Rome", " a city on the river Seine", " not known to me")),
    ("Cell 12 drops calls whenever a handover to cell 14 is tried, because cell 14", (" is full of users.",)),
    ("1, 2, 3, 4, 5,", (" 6, 7, 8", " 7")),
)
Load = Callable[..., LlamaBackend]
Logits = np.ndarray[Any, np.dtype[np.float32]]


def ln_softmax(logits: Logits) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The textbook's, in float64."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def test_log_softmax_is_that_of_float64() -> None:
    rng = np.random.default_rng(7)
    for scale, shift in ((1.0, 0.0), (30.0, 1e4), (1e-3, -1e4)):
        logits = (rng.normal(size=50_000) * scale + shift).astype(np.float32)
        found = LogSoftmax(50_000)(logits, [0, 7, 49_999])
        assert found == pytest.approx(ln_softmax(logits)[[0, 7, 49_999]].tolist(), abs=1e-5)


@pytest.mark.parametrize(("vocab_size", "probes"), [(1000, 64), (49_152, 64), (152_064, 27), (10**7, 8)])
def test_a_large_vocabulary_allows_fewer_probes(vocab_size: int, probes: int) -> None:
    assert num_probes(vocab_size) == probes


@pytest.fixture(scope="module")
def vocab(default_model_path: Path) -> Iterator[Vocab]:
    loaded = Vocab(default_model_path)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def new_backend(default_model_path: Path) -> Iterator[Load]:
    backends: list[LlamaBackend] = []

    def run(*, flash_attention: str = "on", **fields: object) -> LlamaBackend:
        fields |= {"flash_attention": flash_attention}
        settings = EngineSettings(slots=8, kv_cells=1024, threads=1, **fields)  # type: ignore[arg-type]
        backends.append(load(str(default_model_path), settings, Node(8 << 30, 2), lambda _: None))
        return backends[-1]

    yield run
    for backend in backends:
        backend.close()


def requests(vocab: Vocab) -> list[tuple[list[int], list[list[int]]]]:
    """Prompt and choices in tokens. All choices begin with a space, so no token spans the prompt's end."""
    return [
        (vocab.tokenize(prompt), [vocab.tokenize(choice) for choice in choices]) for prompt, choices in ITEMS
    ]


def bare(backend: LlamaBackend, prompt: list[int], choice: list[int]) -> list[float]:
    """What llama.cpp says, asked directly: the whole text as one batch of one sequence."""
    tokens = [*prompt, *choice]
    batch = Batch()
    batch.extend(tokens[:-1], 0, 0)
    batch.outputs = list(range(len(prompt) - 1, len(tokens) - 1))
    assert llama.llama_decode(backend._context, backend._batch.fill(batch)) == 0
    llama.llama_synchronize(backend._context)
    rows = [ln_softmax(row) for row in backend._main.rows(len(choice))]
    backend.remove(0)
    return [float(row[token]) for row, token in zip(rows, choice, strict=True)]


def run(engine: Engine, todo: list[Submit]) -> dict[int, list[list[float]]]:
    for request in todo:
        engine.submit(request)
    scores = {}
    while engine.has_work:
        for scored in engine.step().scored:
            scores[scored.request_id] = scored.log_probabilities
    return scores


def forget(backend: LlamaBackend) -> None:
    for seq_id in range(backend.num_sequences + backend.num_branches):
        backend.remove(seq_id)


def submits(vocab: Vocab) -> list[Submit]:
    return [
        Submit(number, prompt, max(map(len, choices)), choices=choices)
        for number, (prompt, choices) in enumerate(requests(vocab))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"kv_type": "q8_0"}, {"flash_attention": "off"}], ids=repr)
def test_scores_are_those_of_a_bare_loop(new_backend: Load, vocab: Vocab, fields: dict[str, object]) -> None:
    backend = new_backend(**fields)
    for request in submits(vocab):
        forget(backend)
        (found,) = run(Engine(backend), [request]).values()
        forget(backend)
        for choice, values in zip(request.choices, found, strict=True):
            assert sum(values) == pytest.approx(sum(bare(backend, request.prompt, choice)), abs=BOUND)


@pytest.mark.slow
def test_company_does_not_change_a_score_that_one_step_takes(new_backend: Load, vocab: Vocab) -> None:
    backend = new_backend()
    # A price that lets every request fit the budget of a step, however busy this machine is.
    engine = Engine(backend, clock=lambda: 0.0, step_time=StepTime(straight_curve(1e-4)))
    short = submits(vocab)
    assert all(fits_one_step(request, backend) for request in short)
    talk = [Submit(100 + n, vocab.tokenize(f"Tell me about {n}."), 20, ignore_eos=True) for n in range(3)]
    run(engine, [Submit(99, vocab.tokenize(ITEMS[0][0]), 5)])  # a prefix that could be shared
    together = run(engine, [*talk, *short])
    for request in short:
        forget(backend)
        for choice, values in zip(request.choices, together[request.request_id], strict=True):
            assert values == pytest.approx(bare(backend, request.prompt, choice), abs=BOUND)
