"""Tuning on the real model: that steps run and are remembered, not what comes out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xapp.backend import llama_trial
from xapp.backend.llama_model import ContextParams, load_model
from xapp.backend.llama_trial import FILL, STREAMS, trial
from xapp.backend.llama_tuning import profile
from xapp.backend.native import llama
from xapp.backend.rpc.place import Placement
from xapp.backend.sizing import Node, Sizing
from xapp.config import EngineSettings
from xapp.domain.messages import TuningSource

pytestmark = pytest.mark.slow
NODE = Node(8 << 30, 2, 2)
SIZING = Sizing(1024, 4, 1024, "f16", 2)


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> Iterator[Any]:
    loaded = load_model(str(default_model_path), 0, lambda _: None)
    yield loaded
    llama.llama_model_free(loaded)


def test_measured_once_then_remembered(
    model: Any, default_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = profile(model, str(default_model_path), Placement(NODE, EngineSettings()), SIZING)
    assert first.known.source is TuningSource.MEASURED
    assert [(each.threads, each.flash_attention) for each in first.known.trials] == [(2, True), (2, False)]
    assert first.threads == (2, 1)
    first.remember(first.known)
    again = profile(model, str(default_model_path), Placement(NODE, EngineSettings()), SIZING)
    assert (again.known.source, again.known.trials) == (TuningSource.CACHED, first.known.trials)


def test_what_is_set_is_not_measured(model: Any, default_model_path: Path) -> None:
    settings = EngineSettings(threads=2, flash_attention="off")
    found = profile(model, str(default_model_path), Placement(NODE, settings), SIZING).known
    assert (found.source, found.threads, found.flash_attention) == (TuningSource.SET, 2, False)


@pytest.mark.parametrize("flash_attention", [True, False])
def test_every_stream_has_its_fill(model: Any, flash_attention: bool) -> None:
    params = ContextParams(
        cells=llama_trial.CELLS,
        sequences=STREAMS + 1,
        outputs=STREAMS + 1,
        batch=llama_trial.PIECE,
        threads=2,
        threads_batch=2,
        kv_type="f16",
        flash_attention=flash_attention,
    )
    with trial(model, params, "model") as filled:
        assert filled.step() > 0
        # Other cells than the stream's own would make its state longer.
        one = llama.llama_state_seq_get_size(filled._context, 0)
        piece = one / (FILL + 1)
        assert [
            round(llama.llama_state_seq_get_size(filled._context, stream) / piece)
            for stream in range(STREAMS)
        ] == [FILL + 1] * STREAMS
        assert llama.llama_state_seq_get_size(filled._context, STREAMS) < piece
