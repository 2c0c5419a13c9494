import pytest

from perf.engine_config import EngineConfig
from perf.json_child import Child, ChildError
from perf.machine import NoiseMeter, cpu_ticks
from perf.server_processes import llama_server_flags

SHAPE = EngineConfig(8192, 8, 2, flash_attention=True, kv_type="f16", batch_tokens=512)


def test_llama_server_gets_the_same_threads_and_slots() -> None:
    flags = llama_server_flags(SHAPE, 8)
    assert flags[flags.index("--threads") + 1] == "2"
    assert flags[flags.index("--parallel") + 1] == "8"


def test_llama_server_slots_have_room_for_the_long_prompt() -> None:
    flags = llama_server_flags(SHAPE, 8)
    assert int(flags[flags.index("--ctx-size") + 1]) // 8 >= 2048


def test_noise_is_a_share() -> None:
    meter = NoiseMeter()
    assert 0.0 <= meter.read().steal_share <= 1.0
    assert len(cpu_ticks()) == 8


def test_a_child_that_ends_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ChildError, match="ended with exit status 1"):
        Child("perf.callers.caller_process", '{"grpc": 1}')
    assert "Expected `str`" in capfd.readouterr().err
