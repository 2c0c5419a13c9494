import os
import signal

import pytest

from perf.cli.option_values import stoppable
from perf.compare.compare_result import notes
from perf.compare.compare_run import Outcome
from perf.engine_config import EngineConfig
from perf.record.result_schema import Target

SHAPE = EngineConfig(8192, 8, 2, True, "f16", 512)


def test_what_differs_between_targets_is_said() -> None:
    ours = Target("ours", "grpc", "a:1", "small", "sha256:1", engine_config=SHAPE)
    peer = Target("b", "openai", "b:1", "small", "sha256:2", flags=["--threads", "2", "--ctx-size", "16384"])
    found = notes(Outcome([], {"ours": ours, "b": peer}))
    assert "b has 16384 KV cells, ours 8192: its slots do not share them" in found
    assert any("different model files" in line for line in found)


def test_equal_sizes_need_no_note() -> None:
    ours = Target("ours", "grpc", "a:1", "small", engine_config=SHAPE)
    peer = Target("b", "openai", "b:1", "small", flags=["--n_ctx", "8192"])
    assert not [line for line in notes(Outcome([], {"ours": ours, "b": peer})) if "KV cells" in line]


def test_being_told_to_stop_is_like_an_interruption() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
