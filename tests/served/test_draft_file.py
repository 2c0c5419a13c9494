"""A model's draft model: found by name, refused at the start where it is not there, counted in memory."""

from pathlib import Path
from typing import Any

import pytest

from tests.models.gguf_file import LLAMA, Q4_1, gguf_bytes
from xapp.config import EngineSettings, ModelSettings
from xapp.errors import ConfigError, ModelError
from xapp.models.store import ModelFile, resolve
from xapp.served.dependencies import memory_need
from xapp.served.draft_file import check_draft, with_draft_file

BIG = ModelFile("big", Path("/models/big.gguf"))


def own(**fields: Any) -> ModelSettings:
    return ModelSettings(engine=EngineSettings(**fields))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "little.gguf").write_bytes(gguf_bytes(data=1000))
    return tmp_path


def test_a_name_becomes_a_path(folder: Path) -> None:
    found = with_draft_file(own(draft="little", slots=2), BIG, resolve, folder)
    assert found == own(draft=str(folder / "little.gguf"), slots=2)
    assert with_draft_file(own(slots=2), BIG, resolve, folder) == own(slots=2)


def test_a_model_does_not_guess_for_itself(folder: Path) -> None:
    """`[engine] draft` is for all models, and one of them may be the draft model."""
    little = ModelFile("little", folder / "little.gguf")
    assert with_draft_file(own(draft="little"), little, resolve, folder) == own()


def test_a_draft_model_that_is_not_there_stops_the_start_and_names_both(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_DRAFT_MODEL: the draft model of big: .*absent"):
        check_draft(own(draft="absent"), BIG, resolve, folder)
    check_draft(own(draft="little"), BIG, resolve, folder)
    check_draft(own(), BIG, resolve, folder)


def test_a_strategy_without_its_draft_model_stops_the_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_STRATEGY: .*big.*XAPP_DRAFT_MODEL"):
        check_draft(own(strategy="draft"), BIG, resolve, folder)


def test_memory_counts_the_draft_model(tmp_path: Path) -> None:
    model = gguf_bytes(LLAMA, (("token_embd.weight", (32, 4), Q4_1),))
    big, little = tmp_path / "big.gguf", tmp_path / "little.gguf"
    big.write_bytes(model)
    little.write_bytes(model)
    alone = memory_need(big, own(kv_cells=1024))
    both = memory_need(big, own(kv_cells=1024, draft=str(little)))
    assert both.weights_bytes == 2 * alone.weights_bytes
    assert both.kv_bytes == 2 * alone.kv_bytes
    assert (both.parked_bytes, both.text_bytes) == (alone.parked_bytes, alone.text_bytes)
    with pytest.raises(ModelError, match="absent"):
        memory_need(big, own(draft=str(tmp_path / "absent.gguf")))
