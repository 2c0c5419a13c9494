"""Prompts that are computed beside the cells of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xapp.backend.base import Batch, Interrupted
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY
from xapp.backend.native import llama
from xapp.backend.prompt_context import LEAST_OTHERS, LEAST_TOKENS, MOST_MISSING
from xapp.backend.sizing import Node
from xapp.config import EngineSettings

pytestmark = pytest.mark.slow
PROMPT = [100 + (7 * index) % 3000 for index in range(3 * LEAST_TOKENS)]
CELLS = 512


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=4, kv_cells=CELLS, kv_type="f16", flash_attention="on", threads=1)
    loaded = load(str(default_model_path), settings, Node(8 << 30, 2), lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(autouse=True)
def empty(backend: LlamaBackend) -> None:
    for seq_id in range(backend.num_sequences):
        backend.remove(seq_id)


def chunk(start: int, end: int, seq_id: int, others: int = LEAST_OTHERS) -> Batch:
    batch = Batch(num_cells=start + others)
    batch.extend(PROMPT[start:end], start, seq_id)
    if end == len(PROMPT):
        batch.want_output()
    return batch


def compute(backend: LlamaBackend, seq_id: int, others: int, *ends: int) -> list[int]:
    """The tokens drawn after chunks of PROMPT that end there."""
    drawn: list[int] = []
    for start, end in zip((0, *ends), ends, strict=False):
        batch = chunk(start, end, seq_id, others)
        drawn += backend.decode(batch, [GREEDY] * len(batch.outputs))
    return drawn


def answer(backend: LlamaBackend, seq_id: int, first: int, count: int = 3) -> list[int]:
    """Tokens computed in the main context, from the prompt's cells there."""
    tokens = [first]
    for position in range(len(PROMPT), len(PROMPT) + count):
        batch = Batch(num_decode=1)
        batch.add(tokens[-1], position, seq_id)
        batch.want_output()
        tokens += backend.decode(batch, [GREEDY])
    return tokens


def positions(backend: LlamaBackend, seq_id: int) -> tuple[int, int]:
    memory = llama.llama_get_memory(backend._context)
    return llama.llama_memory_seq_pos_min(memory, seq_id), llama.llama_memory_seq_pos_max(memory, seq_id)


@pytest.mark.parametrize("ends", [(96,), (32, 64, 96), (40, 48, 96), (10, 96)])
def test_an_answer_continues_from_cells_that_were_computed_apart(
    backend: LlamaBackend, ends: tuple[int, ...]
) -> None:
    (first,) = compute(backend, 0, 0, *ends)
    wanted = answer(backend, 0, first)
    (first,) = compute(backend, 1, LEAST_OTHERS, *ends)
    assert answer(backend, 1, first) == wanted
    assert positions(backend, 1) == positions(backend, 0)


def test_the_largest_cache_is_filled_without_a_cell_too_many(backend: LlamaBackend) -> None:
    for seq_id in range(CELLS // len(PROMPT)):
        compute(backend, seq_id, LEAST_OTHERS, len(PROMPT))
    left = CELLS % len(PROMPT)
    batch = Batch(num_cells=CELLS - left)
    batch.extend(PROMPT[:left], 0, backend.num_sequences - 1)
    backend.decode(batch, [])


def test_a_shared_prefix_stays_shared(backend: LlamaBackend) -> None:
    wanted = answer(backend, 0, compute(backend, 0, 0, 64, 96)[0])
    backend.remove(0, 64)
    for seq_id in range(1, backend.num_sequences):
        backend.copy_prefix(0, seq_id, 64)
    for seq_id in range(1, backend.num_sequences):
        batch = chunk(64, 96, seq_id)
        (first,) = backend.decode(batch, [GREEDY])
        assert answer(backend, seq_id, first) == wanted
    assert (backend.num_sequences - 1) * len(PROMPT) > CELLS  # without sharing there would be no room


def test_cells_that_were_removed_are_computed_anew(backend: LlamaBackend) -> None:
    wanted = answer(backend, 0, compute(backend, 0, 0, 96)[0])
    compute(backend, 1, LEAST_OTHERS, 48)
    backend.remove(1)
    batch = Batch(num_cells=LEAST_OTHERS)
    batch.extend([9] * 64, 0, 1)
    backend.decode(batch, [])
    backend.remove(1)
    assert answer(backend, 1, compute(backend, 1, LEAST_OTHERS, 96)[0]) == wanted


def test_an_interrupted_chunk_is_computed_again(backend: LlamaBackend) -> None:
    wanted = compute(backend, 0, 0, 48, 96)
    compute(backend, 1, LEAST_OTHERS, 48)
    backend.interrupt.set()
    with pytest.raises(Interrupted):
        backend.decode(chunk(48, 96, 1), [GREEDY])
    backend.interrupt.clear()
    assert backend.decode(chunk(48, 96, 1), [GREEDY]) == wanted


def test_several_prompts_and_answers_bring_what_each_brings_alone(backend: LlamaBackend) -> None:
    (first,) = compute(backend, 0, 0, 48, 96)
    second = compute(backend, 1, 0, 48, 96)
    after = answer(backend, 0, first, count=1)[1:]
    for seq_id in (0, 1, 2):
        backend.remove(seq_id)
    compute(backend, 0, 0, 48, 96)
    compute(backend, 1, 0, 48)
    compute(backend, 2, 0, 48)
    batch = Batch(num_decode=1, apart=True, num_cells=48 + LEAST_OTHERS)
    batch.add(first, len(PROMPT), 0)
    batch.want_output()
    for seq_id in (1, 2):
        batch.extend(PROMPT[48:], 48, seq_id)
        batch.want_output()
    assert backend.decode(batch, [GREEDY] * 3) == [*after, *second, *second]


def test_a_prompt_with_many_missing_cells_is_computed_in_the_main_context(
    backend: LlamaBackend,
) -> None:
    compute(backend, 0, LEAST_OTHERS, 32)
    own = backend._prompts.own
    assert own is not None
    part = chunk(32, 96, 1)
    assert own.takes(part)
    part.positions = [each + MOST_MISSING for each in part.positions]
    assert not own.takes(part)


def test_without_memory_for_it_prompts_are_computed_in_the_main_context(
    default_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EngineSettings(slots=2, kv_cells=512, kv_type="f16", flash_attention="on", threads=1)
    small = load(str(default_model_path), settings, Node(8 << 30, 2), lambda _: None)
    try:
        monkeypatch.setattr("xapp.backend.llama_more_contexts.this_node", lambda: Node(1 << 20, 2))
        assert len(compute(small, 0, LEAST_OTHERS, 96)) == 1
        assert small._prompts.own is None
    finally:
        small.close()
