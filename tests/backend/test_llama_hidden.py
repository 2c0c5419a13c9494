"""Hidden states of the real model: those of the last layer, and no trace in other answers."""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.backend.test_llama import Answers, alone, assert_same
from xapp.backend.base import Batch
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_load import load
from xapp.backend.llama_model import ContextParams, load_model, new_context
from xapp.backend.native import llama
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings

pytestmark = pytest.mark.slow
TEXT = "The three largest cities of France are"
NO_POOLING = 0
State = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=3, kv_cells=1024, threads=1, flash_attention="on")
    loaded = load(str(default_model_path), settings, Node(8 << 30, 1), lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def prompt(default_model_path: Path) -> list[int]:
    vocab = Vocab(default_model_path)
    tokens = vocab.tokenize(TEXT)
    vocab.close()
    return tokens


@pytest.fixture(scope="module")
def reference(default_model_path: Path, prompt: list[int]) -> State:
    """By a context of llama.cpp that returns the states of all tokens."""
    path = str(default_model_path)
    model = load_model(path, 0, lambda _: None)
    context = new_context(model, _returning(len(prompt)), path)
    batch, native = Batch(), NativeBatch(64)
    batch.extend(prompt, 0, 0)
    assert llama.llama_decode(context, native.fill(batch)) == 0
    size = llama.llama_model_n_embd(model)
    pointer = llama.llama_get_embeddings_ith(context, -1)
    found = np.ctypeslib.as_array(pointer, shape=(size,)).astype(np.float64)
    native.close()
    llama.llama_free(context)
    llama.llama_model_free(model)
    return found


def _returning(outputs: int) -> ContextParams:
    return ContextParams(
        cells=64,
        sequences=1,
        outputs=outputs,
        batch=64,
        threads=1,
        threads_batch=1,
        kv_type="f16",
        flash_attention=True,
        pooling=NO_POOLING,
    )


def state(answers: Answers, prompt: list[int], **fields: object) -> State:
    number = answers.submit(prompt, 1, hidden_state=True, **fields)
    while number not in answers.finished:
        answers.step()
    return np.array(array("f", answers.vectors[number]))


def likeness(one: State, other: State) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_it_is_the_state_of_the_last_layer(
    backend: LlamaBackend, prompt: list[int], reference: State
) -> None:
    found = state(Answers(backend), prompt)
    assert found.shape == reference.shape
    assert likeness(found, reference) > 0.999
    assert likeness(state(Answers(backend), prompt[:-1]), reference) < 0.99


def test_it_is_the_same_behind_a_cached_prefix_and_beside_answers(
    backend: LlamaBackend, prompt: list[int], reference: State
) -> None:
    answers = Answers(backend)
    answers.submit(prompt[:-2] * 4, 16, ignore_eos=True)
    for _ in range(4):
        answers.step()
    assert likeness(state(answers, prompt), reference) > 0.999
    assert likeness(state(answers, prompt), reference) > 0.999


def test_other_requests_get_the_same_answers_as_without_it(backend: LlamaBackend, prompt: list[int]) -> None:
    before = alone(backend, prompt, 12, ignore_eos=True)
    answers = Answers(backend)
    number = answers.submit(prompt, 12, ignore_eos=True)
    answers.step()
    state(answers, [*prompt[:-1], prompt[0]])
    answers.run()
    assert_same(backend, prompt, answers.tokens[number], before)
    assert alone(backend, prompt, 12, ignore_eos=True) == before
