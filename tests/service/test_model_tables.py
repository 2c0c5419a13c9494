"""A model's own table: it counts when the model is loaded, and a table that names no model is told."""

import dataclasses
from pathlib import Path

import pytest

from tests.service.nodes import Node
from tests.service.test_models import drain
from xapp.config import EngineSettings, ModelSettings
from xapp.errors import ConfigError, Exhausted, ModelError
from xapp.service.dependencies import ModelDependencies, Need
from xapp.service.model_tables import check_tables
from xapp.service.service import NodeService


def slots_of(service: NodeService, name: str) -> int:
    info = service.get_model(name).info
    assert info is not None
    return info.num_slots


async def test_the_table_counts_at_the_start_and_when_a_model_is_loaded_later(node: Node) -> None:
    own = {"tiny": {"slots": 1}, "other": {"slots": 3}}
    async with node.serving(slots=2, own=own) as service:
        await drain(service.load_model("other"))
        await drain(service.load_model("third"))
        slots = {name: slots_of(service, name) for name in ("tiny", "other", "third")}
    assert slots == {"tiny": 1, "other": 3, "third": 2}


class LimitedNode(Node):
    """A model takes as much memory as its KV cells say."""

    def tools(self) -> ModelDependencies:
        return dataclasses.replace(super().tools(), memory_need=self._need)

    def _need(self, path: Path, own: ModelSettings) -> Need:
        return Need(0, (own.engine.kv_cells or 64) << 20)


async def test_memory_is_counted_with_the_models_own_settings(tmp_path: Path) -> None:
    node = LimitedNode(tmp_path)
    node.available = 100 << 20
    own = {"other": {"kv_cells": 200}, "third": {"memory_limit_mb": 64, "kv_cells": 65}}
    async with node.serving(own=own) as service:
        with pytest.raises(Exhausted, match=r"needs 200 MB .* 100 MB are available"):
            await drain(service.load_model("other"))
        with pytest.raises(Exhausted, match=r"needs 65 MB .* 64 MB are available"):
            await drain(service.load_model("third"))


# ---- names


def name_of(name: str) -> str:
    """What each name is served as; `absent` is not here."""
    if name == "absent":
        raise ModelError("absent is not on this node")
    return name.removesuffix(".gguf")


def test_a_table_of_a_model_that_is_not_here_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check_tables(["here", "absent", "another.gguf"], name_of, "here")
    assert [record.message for record in caplog.records] == [
        "models.absent: absent is not on this node",
        'models.another.gguf: this model is served as another: name the table [models."another"]',
    ]
    assert {vars(record)["fields"]["event"] for record in caplog.records} == {"unused_model_settings"}


def test_a_table_that_means_the_default_model_by_another_name_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        check_tables(["here.gguf"], name_of, "here")
    assert caught.value.message == (
        'models.here.gguf: this model is served as here: name the table [models."here"]'
    )


async def test_a_mistyped_table_names_the_nearest_model(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    async with node.serving(own={"othr": {"slots": 1}}) as service:
        assert slots_of(service, "tiny") == 2
    (record,) = [record for record in caplog.records if record.message.startswith("models.othr")]
    assert record.message.endswith("; did you mean other?")


def test_the_engine_of_a_model_without_a_table_is_that_of_all(node: Node) -> None:
    settings = node.settings(slots=5, own={"tiny": {"slots": 1}})
    assert settings.of_model("tiny").engine.slots == 1
    assert settings.of_model("new").engine == settings.engine
    assert isinstance(settings.engine, EngineSettings)
