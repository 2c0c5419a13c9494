"""What kind a model is: who says it, and what is refused because of it."""

import dataclasses
from pathlib import Path

import pytest

from tests.service.nodes import Node, collect
from xapp.config import ModelSettings
from xapp.domain.answers import Finished
from xapp.domain.kinds import EMBEDDING, GENERATE, MODEL_KINDS, RERANKER, Capability, ModelKind
from xapp.domain.requests import Request
from xapp.domain.states import ModelState
from xapp.errors import ConfigError, ModelError, XappError
from xapp.models.catalogue import Entry, Kind
from xapp.models.store import ModelFile
from xapp.served.dependencies import ModelDependencies, Need
from xapp.served.kinds import require_worker, stated_kind
from xapp.service.service import NodeService

STATUES = ModelKind("statues", Capability.EMBED)
"""A kind that no worker of this build can load."""
OWN = {"other": {"kind": "statues"}}


@pytest.fixture(autouse=True)
def statues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_KINDS, STATUES.name, STATUES)


def model_of(kind: Kind) -> ModelFile:
    return ModelFile("m", Path("m.gguf"), Entry("m", "m.gguf", kind=kind))


def test_the_settings_count_before_the_catalogue() -> None:
    assert stated_kind(model_of(Kind.RERANKER), ModelSettings()) is RERANKER
    assert stated_kind(model_of(Kind.COMPLETION), ModelSettings()) is GENERATE
    assert stated_kind(model_of(Kind.RERANKER), ModelSettings(kind="generate")) is GENERATE
    assert stated_kind(ModelFile("m", Path("m.gguf")), ModelSettings()) is GENERATE
    assert stated_kind(ModelFile("m", Path("m.gguf")), ModelSettings(kind="embedding")) is EMBEDDING


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_the_catalogue_has_a_kind_of_model(kind: Kind) -> None:
    assert kind.model_kind in MODEL_KINDS.values()
    assert kind.servable


async def test_a_kind_without_a_worker_stops_the_start(node: Node) -> None:
    service = node.service(model="other", own=OWN)
    with pytest.raises(ConfigError, match=r"XAPP_MODEL: other is of kind statues, .* has no worker yet"):
        await service.start()
    await service.aclose()


async def refusal(service: NodeService, name: str) -> XappError:
    with pytest.raises(XappError) as caught:
        await collect(service, Request("hi", model=name))
    return caught.value


async def test_a_kind_without_a_worker_is_not_loaded_and_asked_nothing(node: Node) -> None:
    async with node.serving(own=OWN) as service:
        with pytest.raises(ModelError, match="no worker yet") as caught:
            _ = [status async for status in service.load_model("other")]
        assert caught.value.reason == "UNSUPPORTED_MODEL"
        refused = await refusal(service, "other")
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "UNSUPPORTED_MODEL")
        assert "other is of kind statues" in refused.message
        assert service.get_model("other").state is ModelState.AVAILABLE


class StatuesNode(Node):
    """The header of `other` tells its kind, which is seen when it is loaded."""

    def tools(self) -> ModelDependencies:
        return dataclasses.replace(super().tools(), memory_need=self._memory_need)

    def _memory_need(self, path: Path, own: ModelSettings) -> Need:
        require_worker(path.stem, STATUES if path.stem == "other" else GENERATE)
        return self.needs


async def test_a_kind_that_only_the_file_tells_is_refused_with_the_same_reason(tmp_path: Path) -> None:
    async with StatuesNode(tmp_path).serving() as service:
        with pytest.raises(ModelError, match="no worker yet"):
            _ = [status async for status in service.load_model("other")]
        refused = await refusal(service, "other")
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "UNSUPPORTED_MODEL")


async def test_a_kind_that_has_a_worker_but_writes_no_text_answers_no_generate(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line in the list is enough for a model of that kind to be loaded."""
    vectors = ModelKind("vectors", Capability.EMBED, has_worker=True)
    monkeypatch.setitem(MODEL_KINDS, "vectors", vectors)
    async with node.serving(own={"other": {"kind": "vectors"}}) as service:
        *_, last = [status async for status in service.load_model("other")]
        assert last.state is ModelState.READY
        refused = await refusal(service, "other")
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "UNSUPPORTED_MODEL")
        assert "it generates no text" in refused.message
        assert isinstance((await collect(service, Request("hi")))[-1], Finished)
