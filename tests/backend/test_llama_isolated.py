"""A deterministic request on real kernels: bit for bit the same, whatever else the engine does.

The whole model: `e2e/test_deterministic.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from xapp.backend.base import Batch, Sampler
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.native import llama
from xapp.backend.sizing import Node
from xapp.config import EngineSettings
from xapp.domain.messages import Priority, SamplingParams, Submit
from xapp.engine.engine import Engine
from xapp.errors import ModelError

pytestmark = pytest.mark.slow
REPEATS = 3
TOKENS = 10
PROMPT = [int(token) for token in np.random.default_rng(1).integers(1000, 20_000, 70)]


@pytest.fixture(scope="module", params=["on", "off"])
def backend(shallow_model_path: Path, request: pytest.FixtureRequest) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=4, kv_cells=2048, threads=1, flash_attention=request.param)
    loaded = load(str(shallow_model_path), settings, Node(8 << 30, 2), lambda _: None)
    yield loaded
    loaded.close()


class Company:
    """An engine on which others come and go at random; `run` has one deterministic request among them."""

    def __init__(self, backend: LlamaBackend, seed: int) -> None:
        for seq_id in range(backend.num_sequences):
            backend.remove(seq_id)
        self._random = Random(seed)
        self._backend = backend
        self._engine = Engine(backend)
        self._last_id = 0
        self._rows: list[bytes] = []

    def submit(self, prompt: list[int], max_tokens: int, **fields: object) -> int:
        self._last_id += 1
        self._engine.submit(Submit(self._last_id, prompt, max_tokens, ignore_eos=True, **fields))  # type: ignore[arg-type]
        return self._last_id

    def others(self) -> None:
        length = self._random.choice((5, 20, 40, 60))
        prompt = PROMPT[: length // 2] + self._random.choices(range(1000, 20_000), k=length)
        self.submit(prompt, self._random.randint(1, 12), priority=self._random.choice(list(Priority)))

    def run(self, sampling: SamplingParams) -> tuple[list[int], list[bytes]]:
        """Its tokens, and the logits of each step of it."""
        for _ in range(3):
            self.others()
            self._engine.step()
        request_id = self.submit(PROMPT, TOKENS, sampling=sampling, deterministic=True)
        tokens: list[int] = []
        while len(tokens) < TOKENS:
            if self._random.random() < 0.05:
                self.others()
            pairs = iter(self._step())
            tokens += [token for each, token in zip(pairs, pairs, strict=True) if each == request_id]
        return tokens, self._rows

    def _step(self) -> list[int]:
        decode = self._backend.decode

        def seen(batch: Batch, samplers: list[Sampler]) -> list[int]:
            tokens = decode(batch, samplers)
            if batch.isolated and batch.outputs:
                assert self._backend._isolated is not None
                self._rows.append(self._backend._isolated.rows(1).tobytes())
            return tokens

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._backend, "decode", seen)
            return self._engine.step().tokens


@pytest.mark.parametrize("sampling", [SamplingParams(), SamplingParams(temperature=1.0, seed=7)])
def test_it_is_the_same_bit_for_bit_in_any_company(backend: LlamaBackend, sampling: SamplingParams) -> None:
    found = [Company(backend, seed).run(sampling) for seed in range(REPEATS)]
    for tokens, rows in found[1:]:
        assert tokens == found[0][0]
        assert rows == found[0][1]


def test_it_has_as_many_threads_whatever_was_found_to_be_faster(backend: LlamaBackend) -> None:
    backend.set_threads(2, 2)
    assert backend.open_isolated(100)
    assert backend._isolated is not None
    context = backend._isolated.handle
    assert (llama.llama_n_threads(context), llama.llama_n_threads_batch(context)) == (1, 1)
    backend.close_isolated()
    backend.set_threads(1, 1)


def test_without_memory_there_is_no_isolated_cache(
    backend: LlamaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: int) -> None:
        raise ModelError("no memory")

    backend.close_isolated()
    monkeypatch.setattr(backend, "_new_isolated", none)
    assert not backend.open_isolated(100)
