"""A batch whose prompts are computed before its answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xapp.backend.base import Batch, Interrupted
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY
from xapp.backend.sizing import Node
from xapp.config import EngineSettings
from xapp.steps.step_cost import StepCost, straight_curve

pytestmark = pytest.mark.slow
ANSWERS = ([5, 6, 7], [8, 9, 10, 11])
PROMPT = list(range(100, 170))


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=4, kv_cells=1024, kv_type="f16", flash_attention="on", threads=1)
    loaded = load(str(default_model_path), settings, Node(8 << 30, 2), lambda _: None)
    yield loaded
    loaded.close()


def begin(backend: LlamaBackend) -> None:
    """Sequences 0 and 1 with all tokens but the last, sequence 2 empty."""
    for seq_id in range(3):
        backend.remove(seq_id)
    for seq_id, tokens in enumerate(ANSWERS):
        batch = Batch()
        batch.extend(tokens[:-1], 0, seq_id)
        backend.decode(batch, [])


def next_step(*, answers: bool = True, prompt: bool = True) -> Batch:
    batch = Batch()
    for seq_id, tokens in enumerate(ANSWERS if answers else ()):
        batch.add(tokens[-1], len(tokens) - 1, seq_id)
        batch.want_output()
    batch.num_decode = len(batch)
    if prompt:
        batch.extend(PROMPT, 0, 2)
        batch.want_output()
    return batch


def draw(backend: LlamaBackend, batch: Batch) -> list[int]:
    return backend.decode(batch, [GREEDY] * len(batch.outputs))


def test_it_brings_what_its_halves_bring(backend: LlamaBackend) -> None:
    begin(backend)
    last = draw(backend, next_step(answers=False))
    first = draw(backend, next_step(prompt=False))
    begin(backend)
    batch = next_step()
    batch.apart = True
    assert draw(backend, batch) == first + last


def test_an_interruption_loses_the_whole_step_or_nothing(backend: LlamaBackend) -> None:
    begin(backend)
    batch = next_step()
    batch.apart = True
    backend.interrupt.set()
    with pytest.raises(Interrupted):
        draw(backend, batch)
    backend.interrupt.clear()
    whole = draw(backend, batch)
    begin(backend)
    compute = backend._main.compute

    def interrupted_after(batch: Any, *, outputs: bool) -> None:
        compute(batch, outputs=outputs)
        backend.interrupt.set()

    backend._main.compute = interrupted_after  # type: ignore[method-assign]
    try:
        assert draw(backend, batch) == whole
    finally:
        backend._main.compute = compute  # type: ignore[method-assign]
        backend.interrupt.clear()


def test_a_model_with_tiled_attention_computes_large_steps_apart(backend: LlamaBackend) -> None:
    cost = StepCost(straight_curve(0.01), apart_from=backend.info.apart_from)
    assert cost.is_apart(4, 60)
    assert not cost.is_apart(4, 59)
