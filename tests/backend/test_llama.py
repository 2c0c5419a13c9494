"""The engine on the real model: what the fake promises, llama.cpp keeps.

Greedy answers are compared to the last token. llama.cpp's results depend a little on the shape of a
batch, so two nearly equal logits may swap: from there on answers may differ, and `assert_same` accepts
that only where the two logits are closer than the noise that `test_where_float_noise_shows` bounds.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from xapp.backend.base import Batch, Interrupted
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.messages import FinishReason, SamplingParams, SequenceFinished, Submit
from xapp.domain.prefix import MIN_PREFIX
from xapp.engine.engine import Engine
from xapp.engine.step_time import StepTime
from xapp.errors import ConfigError, ModelError
from xapp.steps.step_cost import straight_curve

pytestmark = pytest.mark.slow
TOKENS = 16
NOISE = 0.05
"""Share of the logits' range that chunking may move a logit by."""
CELLS = 1024
TEXTS = (
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "O-RAN splits the base station into",
    "Once upon a time there was a",
    "1, 2, 3, 4, 5, 6,",
    "The three laws of robotics are",
    "Water boils at a temperature of",
    "A handover in a mobile network is",
)
Load = Callable[..., LlamaBackend]


@pytest.fixture(scope="module")
def vocab(default_model_path: Path) -> Iterator[Vocab]:
    loaded = Vocab(default_model_path)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def new_backend(default_model_path: Path) -> Iterator[Load]:
    backends: list[LlamaBackend] = []

    def run(**fields: object) -> LlamaBackend:
        values = {"slots": 8, "kv_cells": CELLS, "threads": 1, "flash_attention": "on", **fields}
        settings = EngineSettings(**values)  # type: ignore[arg-type]
        backends.append(load(str(default_model_path), settings, Node(8 << 30, 2), lambda _: None))
        return backends[-1]

    yield run
    for backend in backends:
        backend.close()


@pytest.fixture(scope="module")
def shared(new_backend: Load) -> LlamaBackend:
    return new_backend()


class Answers:
    """Runs requests on a new engine over a backend whose cells are all free, and keeps what came."""

    def __init__(self, backend: LlamaBackend, **fields: object) -> None:
        for seq_id in range(backend.num_sequences):
            backend.remove(seq_id)
        # A clock that stands still, and a curve: what steps take on this machine must not shape the chunks.
        fields.setdefault("step_time", StepTime(straight_curve(1e-6, 0.1)))
        self.engine = Engine(backend, clock=lambda: 0.0, **fields)  # type: ignore[arg-type]
        self.tokens: dict[int, list[int]] = {}
        self.finished: dict[int, SequenceFinished] = {}
        self.vectors: dict[int, bytes] = {}

    def submit(self, prompt: list[int], max_tokens: int = TOKENS, **fields: object) -> int:
        request_id = len(self.tokens)
        self.tokens[request_id] = []
        self.engine.submit(Submit(request_id, prompt, max_tokens, **fields))  # type: ignore[arg-type]
        return request_id

    def run(self) -> None:
        while self.engine.has_work:
            self.step()

    def step(self) -> None:
        events = self.engine.step()
        pairs = iter(events.tokens)
        for request_id, token in zip(pairs, pairs, strict=True):
            self.tokens[request_id].append(token)
        self.vectors |= {each.request_id: each.vectors for each in events.embedded}
        for end in events.finished:
            self.finished[end.request_id] = end


_alone: WeakKeyDictionary[LlamaBackend, dict[str, list[int]]] = WeakKeyDictionary()


def alone(backend: LlamaBackend, prompt: list[int], max_tokens: int = TOKENS, **fields: object) -> list[int]:
    """The answer without company, computed once for each backend: many tests compare with the same one."""
    known = _alone.setdefault(backend, {})
    key = repr((prompt, max_tokens, sorted(fields.items())))
    if key not in known:
        known[key] = _computed_alone(backend, prompt, max_tokens, **fields)
    return known[key]


def _computed_alone(backend: LlamaBackend, prompt: list[int], max_tokens: int, **fields: object) -> list[int]:
    answers = Answers(backend, prefix_cache=False)
    request_id = answers.submit(prompt, max_tokens, **fields)
    answers.run()
    return answers.tokens[request_id]


Logits = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def logits(backend: LlamaBackend, prompt: list[int], chunk: int) -> Logits:
    for seq_id in range(backend.num_sequences):
        backend.remove(seq_id)
    for start in range(0, len(prompt), chunk):
        batch = Batch()
        batch.extend(prompt[start : start + chunk], start, 0)
        batch.want_output()
        backend.decode(batch, [GREEDY])
    return backend._main.rows(1).copy()


def assert_same(backend: LlamaBackend, prompt: list[int], got: list[int], wanted: list[int]) -> None:
    """Equal, or parted at two tokens whose logits are within the noise of each other."""
    assert len(got) == len(wanted)
    parted = next((n for n, pair in enumerate(zip(got, wanted, strict=True)) if pair[0] != pair[1]), None)
    if parted is None:
        return
    row = logits(backend, [*prompt, *wanted[:parted]], 512)[0]
    gap = abs(float(row[got[parted]] - row[wanted[parted]]))
    assert gap < NOISE * float(row.max() - row.min()), f"parted at token {parted}"


@pytest.fixture(scope="module")
def prompts(vocab: Vocab) -> list[list[int]]:
    return [vocab.tokenize(text) for text in TEXTS]


def test_the_model_makes_sense(shared: LlamaBackend, vocab: Vocab, prompts: list[list[int]]) -> None:
    answer = b"".join(map(vocab.piece, alone(shared, prompts[0])))
    assert b"Paris" in answer


def test_eight_at_once_answer_as_each_alone(shared: LlamaBackend, prompts: list[list[int]]) -> None:
    answers = Answers(shared)
    for prompt in prompts:
        answers.submit(prompt, ignore_eos=True)
    answers.run()
    for request_id, prompt in enumerate(prompts):
        assert_same(shared, prompt, answers.tokens[request_id], alone(shared, prompt, ignore_eos=True))


def test_joining_later_changes_nothing(shared: LlamaBackend, prompts: list[list[int]]) -> None:
    answers = Answers(shared)
    for prompt in prompts[:4]:
        answers.submit(prompt, ignore_eos=True)
        answers.step()
        answers.step()
    answers.run()
    for request_id, prompt in enumerate(prompts[:4]):
        assert_same(shared, prompt, answers.tokens[request_id], alone(shared, prompt, ignore_eos=True))


@pytest.fixture(scope="module")
def long_prompt(vocab: Vocab) -> list[int]:
    rules = (f"Rule {n}: cell {n} must report its load every {n * 7} seconds." for n in range(1, 12))
    return vocab.tokenize("\n".join(rules) + "\nThe first rule says that cell 1 must")


@pytest.fixture(scope="module")
def long_answer(shared: LlamaBackend, long_prompt: list[int]) -> list[int]:
    return alone(shared, long_prompt, ignore_eos=True)


def test_a_shared_prefix_changes_nothing(shared: LlamaBackend, long_prompt: list[int], vocab: Vocab) -> None:
    tails = [vocab.tokenize(text) for text in (" report", " not", " be able to")]
    answers = Answers(shared)
    for tail in tails:
        answers.submit([*long_prompt, *tail], ignore_eos=True)
    answers.run()
    assert [answers.finished[n].num_cached_tokens for n in range(3)] == [0] + [len(long_prompt)] * 2
    for request_id, tail in enumerate(tails):
        prompt = [*long_prompt, *tail]
        assert_same(shared, prompt, answers.tokens[request_id], alone(shared, prompt, ignore_eos=True))


def test_going_on_from_an_answer_changes_nothing(shared: LlamaBackend, long_prompt: list[int]) -> None:
    answers = Answers(shared)
    first = answers.submit(long_prompt, ignore_eos=True)
    answers.run()
    follow_up = [*long_prompt, *answers.tokens[first], 28, 198]
    second = answers.submit(follow_up, ignore_eos=True)
    answers.run()
    assert answers.finished[second].num_cached_tokens == len(long_prompt) + TOKENS - 1
    assert_same(shared, follow_up, answers.tokens[second], alone(shared, follow_up, ignore_eos=True))


@pytest.mark.parametrize("chunk", [8, 13, 64])
def test_chunks_of_any_size_change_nothing(
    shared: LlamaBackend, long_prompt: list[int], long_answer: list[int], chunk: int
) -> None:
    answers = Answers(shared, max_batch=chunk)
    request_id = answers.submit(long_prompt, ignore_eos=True)
    answers.run()
    assert answers.engine.stats().total_steps >= len(long_prompt) // chunk
    assert_same(shared, long_prompt, answers.tokens[request_id], long_answer)


def test_a_parked_prefix_changes_nothing(
    shared: LlamaBackend, long_prompt: list[int], long_answer: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xapp.engine.kv_cache.RESIDENT_CELLS", 0)
    answers = Answers(shared)
    first = answers.submit(long_prompt, ignore_eos=True)
    answers.run()
    assert answers.engine.stats().kv_cells_used == 0
    again = answers.submit(long_prompt, ignore_eos=True)
    answers.run()
    assert_same(shared, long_prompt, answers.tokens[first], long_answer)
    assert_same(shared, long_prompt, answers.tokens[again], long_answer)
    assert answers.finished[again].num_cached_tokens == len(long_prompt) - 1


@pytest.mark.parametrize("flash_attention", ["on", "off"])
def test_prompts_in_a_cache_of_their_own_change_nothing(
    new_backend: Load,
    prompts: list[list[int]],
    long_prompt: list[int],
    monkeypatch: pytest.MonkeyPatch,
    flash_attention: str,
) -> None:
    backend = new_backend(flash_attention=flash_attention, kv_type="f16")
    with monkeypatch.context() as patch:
        patch.setattr("xapp.backend.prompt_context.LEAST_TOKENS", 1)
        patch.setattr("xapp.backend.prompt_context.LEAST_OTHERS", 0)
        patch.setattr("xapp.backend.llama.LEAST_OTHERS", 0)
        answers = Answers(backend, max_batch=40)
        asked = [prompts[0], long_prompt, prompts[1], [*long_prompt, *prompts[2]], long_prompt]
        for prompt in asked:
            answers.submit(prompt, 4, ignore_eos=True)
            answers.step()
            answers.step()
        answers.run()
    assert backend._prompts.own is not None
    assert answers.finished[3].num_cached_tokens > len(long_prompt) - MIN_PREFIX
    for request_id, prompt in enumerate(asked):
        assert_same(backend, prompt, answers.tokens[request_id], alone(backend, prompt, 4, ignore_eos=True))


def test_where_float_noise_shows(shared: LlamaBackend, long_prompt: list[int]) -> None:
    whole, pieces = logits(shared, long_prompt, 512), logits(shared, long_prompt, 16)
    spread = float(whole.max() - whole.min())
    assert np.abs(whole - pieces).max() < NOISE * spread


def test_a_cache_can_be_filled_to_the_last_cell(new_backend: Load, prompts: list[list[int]]) -> None:
    backend = new_backend(kv_cells=256, slots=4)
    # Where a step costs more than its tokens, one step takes all prompts: so all end in the same step.
    answers = Answers(backend, step_time=StepTime(straight_curve(1e-6, 0.1)))
    filler = [prompt[:1] * 40 for prompt in prompts[:4]]
    for prompt in filler:
        answers.submit(prompt, 25, ignore_eos=True)
    while answers.engine.has_work:
        answers.step()
    assert [len(answers.tokens[n]) for n in range(4)] == [25] * 4
    assert answers.engine._kv_cache._pool.peak == 256 == answers.engine.stats().kv_cells_total


def test_one_request_fills_a_cache_of_leftovers(new_backend: Load, prompts: list[list[int]]) -> None:
    backend = new_backend(kv_cells=256, slots=2)
    answers = Answers(backend)
    for prompt in prompts[:6]:
        answers.submit(prompt, 30, ignore_eos=True)
    whole = answers.submit(prompts[0] * 45, 257 - 45 * len(prompts[0]), ignore_eos=True)
    too_much = answers.submit(prompts[0] * 45, 258 - 45 * len(prompts[0]), ignore_eos=True)
    answers.run()
    assert len(answers.tokens[whole]) == 257 - 45 * len(prompts[0])
    assert answers.finished[too_much].started_at is None


def test_a_decode_that_is_interrupted_leaves_the_cells_as_they_were(
    shared: LlamaBackend, prompts: list[list[int]]
) -> None:
    whole = alone(shared, prompts[0] * 8)
    answers = Answers(shared)
    answers.submit(prompts[0] * 8)
    shared.interrupt.set()
    for _ in range(3):
        answers.step()
    assert answers.engine.stats().total_interrupted == 3
    assert answers.tokens == {0: []}
    shared.interrupt.clear()
    answers.run()
    assert answers.tokens[0] == whole


def decode_for_ever(backend: LlamaBackend, batch: Batch) -> None:
    while True:
        backend.remove(0)
        backend.decode(batch, [])


def test_a_decode_can_be_interrupted_while_it_runs(shared: LlamaBackend) -> None:
    batch = Batch()
    batch.extend([7] * 256, 0, 0)
    for seq_id in range(shared.num_sequences):
        shared.remove(seq_id)
    timer = threading.Timer(0.001, shared.interrupt.set)
    timer.start()
    try:
        with pytest.raises(Interrupted):
            decode_for_ever(shared, batch)
    finally:
        timer.join()
        shared.interrupt.clear()
    assert shared.decode(batch, []) == []
    shared.remove(0)


def test_an_end_token_ends_and_ignore_eos_goes_on(shared: LlamaBackend, vocab: Vocab) -> None:
    text = "<|im_start|>user\nSay only: yes<|im_end|>\n<|im_start|>assistant\n"
    prompt = vocab.tokenize(text, parse_special=True)
    answers = Answers(shared)
    stops = answers.submit(prompt, 60)
    goes_on = answers.submit(prompt, 60, ignore_eos=True)
    answers.run()
    assert answers.finished[stops].reason is FinishReason.STOP
    assert not any(map(shared.is_end, answers.tokens[stops]))
    assert answers.finished[goes_on].reason is FinishReason.LENGTH
    assert any(map(shared.is_end, answers.tokens[goes_on]))


FEW = 6
"""Tokens before float noise can part two drawn answers."""


def test_the_same_seed_gives_the_same_answer_in_company(
    shared: LlamaBackend, prompts: list[list[int]]
) -> None:
    sampling = SamplingParams(temperature=0.8, top_k=40, top_p=0.95, seed=7)
    answers = Answers(shared)
    same = [answers.submit(prompts[0], FEW, sampling=sampling, ignore_eos=True) for _ in range(2)]
    for prompt in prompts[1:4]:
        answers.submit(prompt, ignore_eos=True)
    answers.run()
    assert answers.tokens[same[0]] == answers.tokens[same[1]]
    assert answers.tokens[same[0]] == alone(shared, prompts[0], FEW, sampling=sampling, ignore_eos=True)


def test_greedy_and_drawn_requests_in_one_batch_do_not_mix(
    shared: LlamaBackend, prompts: list[list[int]]
) -> None:
    one_choice = SamplingParams(temperature=1.0, top_k=1)
    answers = Answers(shared)
    for n, prompt in enumerate(prompts[:6]):
        answers.submit(prompt, sampling=one_choice if n % 2 else SamplingParams(), ignore_eos=True)
    answers.run()
    for n, prompt in enumerate(prompts[:6]):
        assert_same(shared, prompt, answers.tokens[n], alone(shared, prompt, ignore_eos=True))


@pytest.mark.parametrize(
    "fields",
    [{"kv_type": "q8_0"}, {"flash_attention": "off"}, {"flash_attention": "on"}, {"batch_tokens": 8}],
    ids=repr,
)
def test_other_settings_answer_too(
    new_backend: Load, vocab: Vocab, prompts: list[list[int]], fields: dict[str, object]
) -> None:
    backend = new_backend(**{"kv_cells": 256, **fields})
    answers = Answers(backend, max_batch=fields.get("batch_tokens", 512))
    for prompt in prompts:
        answers.submit(prompt, ignore_eos=True)
    answers.run()
    assert b"Paris" in b"".join(map(vocab.piece, answers.tokens[0]))
    assert all(len(tokens) == TOKENS for tokens in answers.tokens.values())


def test_cells_are_as_many_as_llama_cpp_says(new_backend: Load) -> None:
    from xapp.backend.native import llama  # noqa: PLC0415

    backend = new_backend(kv_cells=300, slots=1)
    assert backend.info.kv_cells_total == llama.llama_n_ctx(backend._context) == 512


def test_what_it_says_of_itself(shared: LlamaBackend, default_model_path: Path) -> None:
    info = shared.info
    assert info.size_bytes == default_model_path.stat().st_size
    assert (info.num_slots, info.kv_cells_total, info.kv_type, info.num_threads) == (8, CELLS, "f16", 1)
    assert info.kv_bytes == CELLS * 30 * 3 * 64 * 2 * 2
    assert info.vocab_size == 49152
    assert info.shares_prefixes
    assert info.curve is not None
    assert min(*info.curve.row_s, *info.curve.width_s) > 0


def test_settings_that_do_not_fit_name_their_key(new_backend: Load) -> None:
    with pytest.raises(ConfigError, match="XAPP_CONTEXT_LENGTH"):
        new_backend(context_length=100_000)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"/nowhere/model\.gguf: No such file"):
        load("/nowhere/model.gguf", EngineSettings(), Node(8 << 30, 1), lambda _: None)


def test_what_the_progress_callback_raises_ends_the_load(default_model_path: Path) -> None:
    def give_up(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        load(str(default_model_path), EngineSettings(), Node(8 << 30, 1), give_up)
