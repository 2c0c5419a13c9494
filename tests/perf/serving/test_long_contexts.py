from pathlib import Path

import msgspec
import pytest

from perf.bar_table import Sample
from perf.serving import long_contexts
from perf.serving.long_context_loop import LongContextLoop, LongSteps, LongWork
from xapp.config import EngineSettings


class Loop:
    """A child whose unified steps take twice as long."""

    def __init__(self, module: str, *args: str) -> None:
        assert args[-2:] == ("--most-cells", "2000")

    def __enter__(self) -> "Loop":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def ask(self, work: LongWork) -> bytes:
        seconds = {"unified": [0.4, 0.2, 0.3], "separate": [0.2, 0.1, 0.15]}
        return msgspec.json.encode(LongSteps(seconds, dict.fromkeys(work.chunks, seconds)))


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    monkeypatch.setattr(long_contexts, "Child", Loop)
    return list(long_contexts.measure(EngineSettings(threads=1), Path("model.gguf"), 3))


def test_a_step_is_its_median_in_both_layouts(samples: list[Sample]) -> None:
    assert Sample(3, "unified.long-decode.1500", 0.3) in samples
    assert Sample(3, "separate.long-prompt-192.1000", 0.15) in samples
    assert len(samples) == 2 * 3 * (1 + len(long_contexts.CHUNKS))


@pytest.mark.slow
def test_both_layouts_compute_every_step(shallow_model_path: Path) -> None:
    found = LongContextLoop(str(shallow_model_path), 1, 24).run(LongWork(16, 2, (4, 8), 1))
    assert {name: len(steps) for name, steps in found.decode_s.items()} == {"unified": 2, "separate": 2}
    assert {count: len(by["separate"]) for count, by in found.prompt_s.items()} == {4: 1, 8: 1}
