from pathlib import Path

import pytest

from xapp.backend.tuning import Choices
from xapp.backend.tuning_cache import HEAD_BYTES, TuningCache
from xapp.domain.messages import StepTrial, Tuning, TuningSource

OPTIONS = Choices((2, 1), (True, False))
FOUND = Tuning(TuningSource.MEASURED, 1, 1, False, (StepTrial(2, True, 0.02), StepTrial(1, True, 0.01)), 0.3)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + b"x" * HEAD_BYTES)
    return path


def cache(model: Path, *, options: Choices = OPTIONS, build: str = "AVX2") -> TuningCache:
    return TuningCache(model, "f16", options, build)


def test_what_was_measured_is_found_again_and_says_so(model: Path) -> None:
    assert cache(model).read() is None
    cache(model).write(FOUND)
    found = cache(model).read()
    assert found is not None
    assert (found.source, found.threads, found.flash_attention) == (TuningSource.CACHED, 1, False)
    assert (found.trials, found.seconds) == (FOUND.trials, 0.0)


def test_a_model_elsewhere_is_the_same_model(model: Path, tmp_path: Path) -> None:
    cache(model).write(FOUND)
    other = tmp_path / "renamed.gguf"
    other.write_bytes(model.read_bytes())
    assert cache(other).read() is not None


def test_another_model_build_or_choice_is_measured_anew(model: Path, tmp_path: Path) -> None:
    cache(model).write(FOUND)
    assert cache(model, build="AVX512").read() is None
    assert cache(model, options=Choices((4, 3), (True,))).read() is None
    longer = tmp_path / "longer.gguf"
    longer.write_bytes(model.read_bytes() + b"x")
    assert cache(longer).read() is None


@pytest.mark.parametrize("damage", [b'{"source": "measured"}', b'{"source": "\xff"}', b"\xff", b""])
def test_garbage_is_no_measurement(model: Path, tmp_path: Path, damage: bytes) -> None:
    """Bytes that are no UTF-8 once ended the worker at each start."""
    cache(model).write(FOUND)
    (entry,) = (tmp_path / "cache" / "genai-xapp" / "tuning").iterdir()
    entry.write_bytes(damage)
    assert cache(model).read() is None


def test_a_cache_that_cannot_be_written_is_no_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(model))  # a file, where a folder would have to be made
    cache(model).write(FOUND)
    assert cache(model).read() is None
