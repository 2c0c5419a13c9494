"""The first steps of a loaded model: a token that tests it, and steps that measure it."""

import time

from xapp.backend.base import Batch, DecodeError
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_sampler import GREEDY
from xapp.domain.messages import StepCurve
from xapp.errors import ModelError

FIRST_SIZES = (1, 4, 16, 64)
"""Tokens of the steps that the first load of a model measures."""
FIRST_S = 0.25
"""After so much time the larger steps are left for the survey."""


def self_test(backend: LlamaBackend, path: str) -> None:
    """Computes one token and checks it: a bad build or a bad file fails here, not in a caller's stream."""
    try:
        (token,) = _prefill(backend, 1)
    except DecodeError as error:
        raise ModelError(f"{path}: the self-test token: {error}", reason="SELF_TEST_FAILED") from error
    if not backend.logits_are_finite():
        raise ModelError(f"{path}: the self-test token has no finite logits", reason="SELF_TEST_FAILED")
    assert 0 <= token < backend.info.vocab_size


def first_curve(backend: LlamaBackend) -> StepCurve:
    """A rough curve for the time before the survey: a few sizes, within a moment."""
    one_s = _seconds(backend, 1, output=True)
    most = min(backend.info.batch_tokens, backend.info.context_length - 1)
    rows: list[int] = []
    row_s: list[float] = []
    for count in (each for each in FIRST_SIZES if each <= most):
        if sum(row_s) > FIRST_S:
            break
        rows.append(count)
        row_s.append(_seconds(backend, count, output=False))
    return StepCurve(tuple(rows), tuple(row_s), (1,), (one_s,))


def _seconds(backend: LlamaBackend, count: int, *, output: bool) -> float:
    started = time.perf_counter()
    _prefill(backend, count, output=output)
    return time.perf_counter() - started


def _prefill(backend: LlamaBackend, count: int, *, output: bool = True) -> list[int]:
    batch = Batch()
    batch.extend([0] * count, 0, 0)
    if output:
        batch.want_output()
    tokens = backend.decode(batch, [GREEDY] if output else [])
    backend.remove(0)
    return tokens
