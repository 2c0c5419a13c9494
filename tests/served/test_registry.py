"""Loading and unloading at run time."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.models.gguf_file import LLAMA, gguf_bytes
from tests.service.nodes import DIGEST, Node, collect, is_ready, pid_of, text_of
from tests.workers.workers import until
from xapp.config import EngineSettings, ModelSettings
from xapp.domain.kinds import GENERATE
from xapp.domain.prefix import PARKED_SHARE
from xapp.domain.requests import Request
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import (
    ConfigError,
    Exhausted,
    FailedPrecondition,
    ModelError,
    NotFound,
    Unavailable,
    XappError,
)
from xapp.models.info import ORIGIN_KEY, read_gguf
from xapp.served import served_model
from xapp.served.dependencies import MIN_CONTEXT_TOKENS, ModelDependencies, Need
from xapp.text.limits import resident_bytes
from xapp.text.prompts import Codec


async def drain(statuses: AsyncIterator[ModelStatus]) -> list[ModelStatus]:
    return [status async for status in statuses]


async def test_list_shows_loaded_and_available(node: Node) -> None:
    async with node.serving() as service:
        other, third, tiny = service.list_models()
    assert (other.name, third.name, tiny.name) == ("other", "third", "tiny")
    assert (tiny.state, tiny.is_default, tiny.digest) == (ModelState.READY, True, DIGEST)
    assert tiny.info is not None
    assert tiny.info.num_slots == 2
    assert tiny.has_chat_template
    assert tiny.size_bytes > 0
    assert (other.state, other.is_default, other.info) == (ModelState.AVAILABLE, False, None)


async def test_load_use_unload(node: Node) -> None:
    async with node.serving() as service:
        statuses = await drain(service.load_model("other"))
        assert statuses[0].state is ModelState.LOADING
        assert statuses[-1].state is ModelState.READY
        assert [status.progress for status in statuses] == sorted(status.progress for status in statuses)
        assert text_of(await collect(service, Request("hi", model="other"))) == "hi"
        pid = pid_of(service, "other")
        assert (await service.unload_model("other")).state is ModelState.AVAILABLE
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(NotFound):
            await collect(service, Request("hi", model="other"))
        assert (await drain(service.load_model("other.gguf")))[-1].name == "other"
        assert [sample.name for sample in service.samples()] == ["other", "tiny"]


async def test_loading_what_is_loaded_answers_at_once(node: Node) -> None:
    async with node.serving() as service:
        for name in ("", "tiny", "tiny.gguf"):
            (status,) = await drain(service.load_model(name))
            assert status.state is ModelState.READY
    assert node.num_clients == 1


async def test_two_callers_share_one_load(node: Node) -> None:
    async with node.serving() as service:
        loads = await asyncio.gather(*(drain(service.load_model("other")) for _ in range(5)))
        assert all(load[-1].state is ModelState.READY for load in loads)
    assert node.num_clients == 2


async def test_a_load_goes_on_without_its_caller(node: Node) -> None:
    async with node.serving() as service:
        async with aclosing(service.load_model("other")) as statuses:
            await anext(statuses)
        await until(lambda: is_ready(service, "other"))


@pytest.mark.parametrize("how", ["fail", "SIGSEGV", "garbage"])
async def test_a_load_that_fails_tells_why_and_may_be_tried_again(node: Node, how: str) -> None:
    node.scripts["other"].load(how)
    async with node.serving() as service:
        with pytest.raises((ModelError, Unavailable)) as caught:
            await drain(service.load_model("other"))
        failed = service.get_model("other")
        assert (failed.state, failed.error) == (ModelState.FAILED, caught.value.message)
        with pytest.raises(FailedPrecondition):
            await collect(service, Request("hi", model="other"))
        node.scripts["other"].load("ok")
        assert (await drain(service.load_model("other")))[-1].state is ModelState.READY
        assert text_of(await collect(service, Request("still here"))) == "still here"


@pytest.mark.parametrize(
    "name",
    ["nope", "../tiny.gguf", "/etc/passwd", "sub/tiny.gguf", "..", ".tiny.gguf", "tiny\0.gguf", "~/x.gguf"],
)
async def test_names_from_outside_never_leave_the_folder(node: Node, name: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tiny.gguf").write_text("{}")
    (tmp_path / ".tiny.gguf").write_text("{}")
    async with node.serving() as service:
        with pytest.raises(NotFound):
            await drain(service.load_model(name))
    assert node.num_clients == 1


async def test_a_full_path_from_outside_is_unknown_even_if_it_exists(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(NotFound):
            await drain(service.load_model(str(node.folder / "other.gguf")))


async def test_too_many_models(node: Node) -> None:
    async with node.serving(max_models=2) as service:
        await drain(service.load_model("other"))
        with pytest.raises(Exhausted) as caught:
            await drain(service.load_model("third"))
        assert caught.value.reason == "TOO_MANY_MODELS"
        assert caught.value.retry_after_s
        await service.unload_model("other")
        await drain(service.load_model("third"))


async def test_no_memory_says_the_numbers(node: Node) -> None:
    async with node.serving() as service:
        node.needs, node.available = Need(900 << 20, 200 << 20), 1000 << 20
        with pytest.raises(Exhausted, match=r"needs 1100 MB \(900 MB .* 200 MB .*\) and 1000 MB") as caught:
            await drain(service.load_model("other"))
        assert caught.value.reason == "OUT_OF_MEMORY"
        assert caught.value.retry_after_s
        node.available = 1200 << 20
        await drain(service.load_model("other"))


async def test_the_memory_limit_of_the_settings_counts(node: Node) -> None:
    node.needs, node.available = Need(900 << 20, 0), 2000 << 20
    async with node.service(memory_limit_mb=800) as service:
        with pytest.raises(Exhausted, match="800 MB are available"):
            await service.wait_ready()


async def test_the_default_model_stays(node: Node) -> None:
    async with node.serving() as service:
        for name in ("", "tiny"):
            with pytest.raises(FailedPrecondition):
                await service.unload_model(name)


async def test_unloading_lets_streams_finish(node: Node) -> None:
    async with node.serving() as service:
        await drain(service.load_model("other"))
        stream = asyncio.create_task(collect(service, Request("x" * 100, model="other")))
        await until(lambda: any(sample.stats.num_running for sample in service.samples()))
        unload = asyncio.create_task(service.unload_model("other"))
        await until(lambda: service.get_model("other").state is ModelState.DRAINING)
        with pytest.raises(Unavailable):
            await collect(service, Request("late", model="other"))
        with pytest.raises(Unavailable):
            await service.unload_model("other")
        assert text_of(await stream) == "x" * 100
        await unload


async def test_unloading_ends_streams_after_the_grace_period(node: Node) -> None:
    async with node.serving(grace_period_s=0.01) as service:
        await drain(service.load_model("other"))
        stream = asyncio.create_task(collect(service, Request("!silent", model="other")))
        await until(lambda: any(sample.stats.num_running for sample in service.samples()))
        await service.unload_model("other")
        with pytest.raises(Unavailable) as caught:
            await stream
        assert caught.value.reason == "DRAINING"
        assert caught.value.message == "the model is being unloaded"


async def test_unloading_goes_on_without_its_caller(node: Node) -> None:
    async with node.serving() as service:
        await drain(service.load_model("other"))
        async with aclosing(service.generate(Request("abc", model="other"))) as events:
            await anext(events)
            unload = asyncio.create_task(service.unload_model("other"))
            await until(lambda: service.get_model("other").state is ModelState.DRAINING)
            unload.cancel()
        await until(lambda: service.get_model("other").state is ModelState.AVAILABLE)


async def test_unloading_a_model_that_loads(node: Node) -> None:
    node.scripts["other"].load("silent")
    async with node.serving() as service:
        load = asyncio.create_task(drain(service.load_model("other")))
        await until(lambda: node.num_clients == 2)
        await service.unload_model("other")
        with pytest.raises(Unavailable):
            await load
        assert service.get_model("other").state is ModelState.AVAILABLE


async def test_preloaded_models(node: Node) -> None:
    async with node.serving(models="other, third") as service:
        await until(lambda: is_ready(service, "other") and is_ready(service, "third"))


async def test_a_preloaded_model_that_fails_does_not_stop_the_default(node: Node) -> None:
    node.scripts["other"].load("fail")
    async with node.serving(models="other") as service:
        await until(lambda: service.get_model("other").state is ModelState.FAILED)
        assert service.ready


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"model": "nope"}, "XAPP_MODEL"),
        ({"models": "other,nope"}, "XAPP_MODELS"),
        ({"models": "other,third", "max_models": 2}, "XAPP_MODELS"),
    ],
)
async def test_bad_settings_name_the_key(node: Node, fields: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        async with node.service(**fields):
            raise AssertionError
    assert caught.value.key == key


async def test_the_default_may_be_a_path(node: Node, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.gguf"
    elsewhere.write_text(node.scripts["tiny"].path.read_text())
    async with node.serving(model=str(elsewhere)) as service:
        assert service.get_model("").name == "mine"


async def test_nothing_is_loaded_while_draining(node: Node) -> None:
    async with node.serving() as service:
        await service.drain(5)
        with pytest.raises(Unavailable):
            await drain(service.load_model("other"))


async def test_closing_while_loading(node: Node) -> None:
    node.scripts["tiny"].load("silent")
    service = node.service()
    await service.start()
    ready = asyncio.create_task(service.wait_ready())
    await until(lambda: node.num_clients == 1)
    await service.aclose()
    await service.aclose()
    with pytest.raises(Unavailable):
        await ready


def test_the_real_tools_read_the_header(tmp_path: Path, node: Node) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="truncated"):
        ModelDependencies().memory_need(tmp_path / "bad.gguf", ModelSettings())
    assert ModelDependencies().available_bytes() > 0
    assert MIN_CONTEXT_TOKENS > 0


@pytest.mark.parametrize(("pooling", "kind"), [(1, "embedding"), (4, "reranker")])
def test_the_header_tells_the_kind_and_the_memory_of_a_step(tmp_path: Path, pooling: int, kind: str) -> None:
    path = tmp_path / "embed.gguf"
    encoder = LLAMA | {"llama.pooling_type": pooling, "llama.attention.causal": False}
    path.write_bytes(gguf_bytes(encoder))
    need = ModelDependencies().memory_need(path, ModelSettings())
    assert need.kind.name == kind
    assert (need.kv_bytes, need.parked_bytes) == (0, 0)
    assert need.total_bytes == need.weights_bytes + need.text_bytes + need.work_bytes
    longer = ModelSettings(engine=EngineSettings(context_length=1024))
    assert ModelDependencies().memory_need(path, longer).work_bytes > 2 * need.work_bytes
    assert ModelDependencies().memory_need(path, ModelSettings(kind="generate")).kind is GENERATE
    path.write_bytes(gguf_bytes(LLAMA | {"llama.pooling_type": pooling}))
    assert ModelDependencies().memory_need(path, ModelSettings()).kv_bytes > 0, "a causal model has cells"


class SmallNode(Node):
    """Has memory for the default model and one more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.needs = Need(60, 0)

    def tools(self) -> ModelDependencies:
        return dataclasses.replace(super().tools(), available_bytes=lambda: 170 - 60 * self.num_clients)


async def test_two_loads_at_once_do_not_share_the_same_free_memory(tmp_path: Path) -> None:
    async with SmallNode(tmp_path).serving() as service:
        loads = [drain(service.load_model(name)) for name in ("other", "third")]
        outcomes = await asyncio.gather(*loads, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Exhausted", "list"]
        assert len(service.samples()) == 2


async def test_a_load_that_waits_for_its_turn_can_be_unloaded(node: Node) -> None:
    async with node.serving() as service:
        node.scripts["other"].load("silent")
        first = asyncio.create_task(drain(service.load_model("other")))
        second = asyncio.create_task(drain(service.load_model("third")))
        await until(lambda: node.num_clients == 2 and service.get_model("third").state is ModelState.LOADING)
        assert (await service.unload_model("third")).state is ModelState.AVAILABLE
        with pytest.raises(Unavailable):
            await second
        await service.unload_model("other")
        with pytest.raises(Unavailable):
            await first


class BrokenNode(Node):
    """Its codec of `other` has a defect."""

    async def _load_codec(self, path: Path) -> Codec:
        if path.stem == "other":
            raise ZeroDivisionError
        return await super()._load_codec(path)


async def test_a_defect_while_loading_is_a_failed_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = BrokenNode(tmp_path)
    async with node.serving() as service:
        with pytest.raises(XappError, match="internal error while loading") as caught:
            await drain(service.load_model("other"))
        assert caught.value.code == "INTERNAL"
        assert service.get_model("other").state is ModelState.FAILED
        with pytest.raises(FailedPrecondition):
            await collect(service, Request("hi", model="other"))
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)


class EndlessNode(Node):
    """Reading the vocabulary of `other` does not end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun, self.end = asyncio.Event(), asyncio.Event()
        self.given_up = False

    async def _load_codec(self, path: Path) -> Codec:
        if path.stem == "other":
            self.begun.set()
            try:
                await self.end.wait()
            finally:
                self.given_up = True
        return await super()._load_codec(path)


async def test_a_load_that_never_ends_is_given_up_and_blocks_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "LOAD_SLACK_S", 0.0)
    node = EndlessNode(tmp_path)
    async with node.serving(load_timeout_s=6.0) as service:
        with pytest.raises(Unavailable, match="XAPP_LOAD_TIMEOUT_S") as caught:
            await drain(service.load_model("other"))
        assert caught.value.reason == "LOAD_TIMEOUT"
        assert node.given_up
        assert (await drain(service.load_model("third")))[-1].state is ModelState.READY


async def test_a_load_that_never_ends_can_be_unloaded(tmp_path: Path) -> None:
    node = EndlessNode(tmp_path)
    async with node.serving() as service:
        loading = asyncio.create_task(drain(service.load_model("other")))
        await node.begun.wait()
        assert (await service.unload_model("other")).state is ModelState.AVAILABLE
        with pytest.raises(Unavailable):
            await loading
        assert node.given_up


async def test_a_digest_that_differs_from_the_record_is_said(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.difference = "tiny.gguf has sha256:00, its record says sha256:11"
    async with node.serving():
        pass
    (record,) = [record for record in caplog.records if record.message == node.difference]
    assert vars(record)["fields"] == {"event": "digest_differs", "model": "tiny", "digest": DIGEST}


async def test_the_log_tells_how_the_engine_was_sized(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with node.serving():
        pass
    (record,) = [record for record in caplog.records if record.message == "model sized"]
    assert vars(record)["fields"] | {"model": "tiny", "slots": 2} == vars(record)["fields"]


def test_parked_prefixes_are_part_of_the_need(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    settings = ModelSettings(engine=EngineSettings(kv_cells=1024))
    need = ModelDependencies().memory_need(path, settings)
    assert need.kv_bytes > 0
    assert need.parked_bytes == need.kv_bytes * PARKED_SHARE
    assert need.total_bytes == need.weights_bytes + need.kv_bytes + need.parked_bytes + need.text_bytes
    assert need.text_bytes == resident_bytes(read_gguf(path).metadata_bytes)
    without = ModelSettings(engine=EngineSettings(kv_cells=1024, prefix_cache=False))
    assert ModelDependencies().memory_need(path, without).parked_bytes == 0


async def test_a_mistyped_model_names_the_nearest_that_is_served(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(NotFound, match=r"; did you mean tiny\?"):
            await collect(service, Request("hi", model="tinny"))


def test_a_copy_in_another_format_tells_what_it_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes(LLAMA))
    assert ModelDependencies().origin(path) == ""
    path.write_bytes(gguf_bytes(LLAMA | {ORIGIN_KEY: "sha256:5"}))
    assert ModelDependencies().origin(path) == "sha256:5"
