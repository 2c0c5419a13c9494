"""Sizing is arithmetic: from a node, a model and settings to an engine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.backend.sizing import Geometry, Node, Sizing, size
from xapp.config import EngineSettings
from xapp.errors import ConfigError

GB = 1 << 30
PI = Node(memory_bytes=6 * GB, cores=4)
SMALL = Geometry(kv_bytes_per_token=23_040, weight_bytes=98 << 20, trained_context=8192)
LARGE = Geometry(kv_bytes_per_token=131_072, weight_bytes=4 * GB, trained_context=131_072)


def test_plenty_of_memory() -> None:
    assert size(PI, SMALL, EngineSettings()) == Sizing(8192, 8, 8192, "f16", 4)


def test_a_large_model_on_a_small_node_gets_a_small_cache_in_q8_0() -> None:
    node = Node(memory_bytes=LARGE.weight_bytes + (512 << 20), cores=4)
    sizing = size(node, LARGE, EngineSettings())
    assert sizing.kv_type == "q8_0"
    assert (sizing.context_length, sizing.kv_cells) == (1927, 2048)


def test_too_little_memory_still_tries_a_short_context() -> None:
    sizing = size(Node(memory_bytes=1 << 20, cores=1), LARGE, EngineSettings())
    assert (sizing.context_length, sizing.kv_cells) == (512, 512)


def test_what_is_set_is_kept() -> None:
    settings = EngineSettings(
        context_length=700, slots=3, kv_cells=1024, kv_type="q8_0", threads=7, batch_tokens=64
    )
    assert size(PI, SMALL, settings) == Sizing(700, 3, 1024, "q8_0", 7)


def test_a_memory_limit_counts() -> None:
    free = size(PI, LARGE, EngineSettings()).kv_cells
    limited = size(PI, LARGE, EngineSettings(memory_limit_mb=4800)).kv_cells
    assert limited < free


def test_cells_are_what_llama_cpp_makes_of_them() -> None:
    assert size(PI, SMALL, EngineSettings(kv_cells=300)).kv_cells == 512


def test_no_flash_attention_no_q8_0() -> None:
    node = Node(memory_bytes=LARGE.weight_bytes + (512 << 20), cores=4)
    assert size(node, LARGE, EngineSettings(flash_attention="off")).kv_type == "f16"
    with pytest.raises(ConfigError, match=r"XAPP_KV_TYPE.*XAPP_FLASH_ATTENTION"):
        size(node, LARGE, EngineSettings(flash_attention="off", kv_type="q8_0"))


def test_a_batch_holds_a_token_of_every_slot() -> None:
    with pytest.raises(ConfigError, match=r"XAPP_BATCH_TOKENS.*XAPP_SLOTS"):
        size(PI, SMALL, EngineSettings(slots=8, batch_tokens=7))
    assert size(PI, SMALL, EngineSettings(batch_tokens=3)).slots == 3


def test_a_context_over_what_the_model_is_made_for() -> None:
    with pytest.raises(ConfigError, match="XAPP_CONTEXT_LENGTH: 9000 is over the 8192"):
        size(PI, SMALL, EngineSettings(context_length=9000))


def test_a_context_that_does_not_fit_the_cells() -> None:
    with pytest.raises(ConfigError, match=r"XAPP_CONTEXT_LENGTH: 2000 .*1000 KV cells"):
        size(PI, SMALL, EngineSettings(context_length=2000, kv_cells=1000))


@given(
    st.integers(0, 64 * GB),
    st.integers(1, 64),
    st.integers(1, 1 << 20),
    st.integers(0, 40 * GB),
    st.integers(256, 1 << 20),
    st.one_of(st.none(), st.integers(1, 128)),
)
def test_every_node_gets_something_that_holds_together(
    memory: int, cores: int, per_token: int, weights: int, trained: int, slots: int | None
) -> None:
    sizing = size(Node(memory, cores), Geometry(per_token, weights, trained), EngineSettings(slots=slots))
    assert 0 < sizing.context_length <= min(trained, sizing.kv_cells)
    assert sizing.kv_cells % 256 == 0
    assert sizing.slots == (slots or 8)
    assert sizing.threads == cores
