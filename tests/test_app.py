import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.flat_settings import flat_settings
from tests.models.gguf_file import gguf_bytes
from tests.ric.stand_ins import HANG, AppManager, StandIn
from tests.server.conftest import settings
from tests.server.fake_service import FakeService
from xapp.app import EXIT_IMMEDIATE, EXIT_LISTENER, EXIT_MODEL, EXIT_OK, run
from xapp.backend.node import memory_total_bytes
from xapp.config import Settings
from xapp.errors import ConfigError, Exhausted, ModelError, NotFound, Unavailable, XappError
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.logs import JsonFormatter
from xapp.ric import link
from xapp.stop import Stop


class LivingService(FakeService):
    """A FakeService with a life: the test says when it is loaded and when it is drained."""

    def __init__(self) -> None:
        super().__init__(ready=False)
        self.loaded = asyncio.Event()
        self.drained = asyncio.Event()
        self.drain_begun = asyncio.Event()
        self.failure: Exception | None = None
        self.all_ended = True
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def wait_ready(self) -> None:
        await self.loaded.wait()
        if self.failure:
            raise self.failure
        self.ready = True

    async def drain(self, grace_s: float) -> bool:
        self.calls.append(f"drain {grace_s:g}")
        self.ready, self.draining = False, True
        self.drain_begun.set()
        await self.drained.wait()
        return self.all_ended

    async def aclose(self) -> None:
        self.calls.append("aclose")


class Events(logging.Handler):
    """The events that were logged, and a wake-up at each."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, dict[str, Any]] = {}
        self.more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        line = json.loads(JsonFormatter().format(record))
        self.seen[line.get("event", "")] = line
        self.more.set()


class Running:
    """`run` in a task, and what it logged."""

    def __init__(self, configured: Settings | None = None) -> None:
        self.service = LivingService()
        self.stop = Stop()
        self.log = Events()
        self.task = asyncio.create_task(self._run(configured or settings(grace_period_s=5)))

    async def _run(self, configured: Settings) -> int:
        logger = logging.getLogger("xapp")
        logger.addHandler(self.log)
        logger.setLevel(logging.INFO)
        try:
            return await run(configured, make_service=self._make, stop=self.stop)
        finally:
            logger.removeHandler(self.log)
            logger.setLevel(logging.NOTSET)
            self.log.more.set()

    def _make(self, configured: Settings) -> LivingService:
        return self.service

    async def until(self, name: str) -> dict[str, Any]:
        """The event of that name, once it is logged."""
        while name not in self.log.seen:
            assert not self.task.done(), self.task.result()
            await self.log.more.wait()
            self.log.more.clear()
        return self.log.seen[name]


async def test_listens_serves_drains() -> None:
    running = Running()
    listening = await running.until("listening")
    assert isinstance(listening["grpc_port"], int)
    assert isinstance(listening["http_port"], int)
    running.service.loaded.set()
    assert "start_s" in await running.until("serving")
    running.stop.on_signal()
    running.service.drained.set()
    assert await running.task == EXIT_OK
    assert running.service.calls == ["start", "drain 5", "aclose", "aclose"]


async def test_the_services_are_told_first() -> None:
    running = Running()
    told = await running.until("services")
    assert told["services"][0]["name"] == "server"
    running.stop.on_signal()
    running.service.drained.set()
    assert await running.task == EXIT_OK


async def test_services_that_cannot_fit_start_nothing(tmp_path: Path) -> None:
    model = tmp_path / "huge.gguf"
    model.write_bytes(gguf_bytes())
    os.truncate(model, 2 * memory_total_bytes())
    running = Running(settings(model=str(model)))
    with pytest.raises(
        ConfigError, match=r"XAPP_MODEL: the services take .* even with the smallest KV cache"
    ):
        await running.task
    assert running.service.calls == []


async def test_a_running_stream_ends_well_while_draining() -> None:
    running = Running()
    port = (await running.until("listening"))["grpc_port"]
    running.service.loaded.set()
    await running.until("serving")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call: Any = stub.Generate(pb.GenerateRequest(prompt="hi"))
        first = await call.read()
        running.stop.on_signal()
        await running.service.drain_begun.wait()
        rest = [event async for event in _rest(call)]
        running.service.drained.set()
    assert first.HasField("started")
    assert rest[-1].HasField("finished")
    assert await running.task == EXIT_OK


async def _rest(call: Any) -> AsyncIterator[pb.GenerateResponse]:
    while (event := await call.read()) is not grpc.aio.EOF:
        yield event


@pytest.mark.parametrize("all_ended", [True, False])
async def test_the_log_tells_whether_streams_were_cut(all_ended: bool) -> None:
    running = Running()
    running.service.all_ended = all_ended
    running.service.loaded.set()
    running.service.drained.set()
    await running.until("serving")
    running.stop.on_signal()
    assert await running.task == EXIT_OK
    assert running.log.seen["stopped"]["orderly"] is all_ended


async def test_second_signal_ends_at_once() -> None:
    running = Running()
    running.service.loaded.set()
    await running.until("serving")
    running.stop.on_signal()
    await running.service.drain_begun.wait()
    running.stop.on_signal()
    assert await running.task == EXIT_IMMEDIATE
    assert running.log.seen["stopped"]["orderly"] is False
    assert running.service.calls[-1] == "aclose"


async def test_a_lost_listener_drains_and_ends_the_process() -> None:
    running = Running()
    running.service.loaded.set()
    running.service.drained.set()
    await running.until("serving")
    running.stop.on_listener_lost()
    assert await running.task == EXIT_LISTENER
    assert running.service.calls[-1] == "aclose"


async def test_signal_while_loading() -> None:
    running = Running()
    await running.until("listening")
    running.service.drained.set()
    running.stop.on_signal()
    assert await running.task == EXIT_OK
    assert "serving" not in running.log.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_real_signals(number: signal.Signals) -> None:
    running = Running()
    running.service.loaded.set()
    running.service.drained.set()
    await running.until("serving")
    os.kill(os.getpid(), number)
    assert await running.task == EXIT_OK


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("m.gguf: truncated"),
        NotFound("no model x"),
        Exhausted("m needs 9 MB", reason="OUT_OF_MEMORY"),
        Unavailable("the worker was killed by signal 9"),
    ],
    ids=lambda failure: failure.reason,
)
async def test_a_model_that_cannot_be_loaded(failure: XappError, capsys: pytest.CaptureFixture[str]) -> None:
    running = Running()
    running.service.failure = failure
    running.service.loaded.set()
    assert await running.task == EXIT_MODEL
    failed = running.log.seen["model_failed"]
    assert (failed["msg"], failed["level"]) == (failure.message, "error")
    assert failed["reason"] == failure.reason
    assert f"genai-xapp: {failure.message}\n" in capsys.readouterr().err
    assert running.service.calls[-1] == "aclose"


async def test_what_a_load_says_takes_one_line_of_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    running = Running()
    running.service.failure = ModelError("m.gguf: bad\nand worse")
    running.service.loaded.set()
    assert await running.task == EXIT_MODEL
    assert "genai-xapp: m.gguf: bad and worse\n" in capsys.readouterr().err


async def test_a_setting_that_loading_refuses_is_no_model_that_failed() -> None:
    running = Running()
    running.service.failure = ConfigError("XAPP_SLOTS", "too many")
    running.service.loaded.set()
    with pytest.raises(ConfigError, match="XAPP_SLOTS"):
        await running.task
    assert "model_failed" not in running.log.seen
    assert running.service.calls[-1] == "aclose"


async def test_a_host_that_is_none_stops_the_start() -> None:
    running = Running(flat_settings(host="no such host", grpc_port=1, http_port=0))
    with pytest.raises(ConfigError, match="XAPP_HOST"):
        await running.task
    assert running.service.calls == []


async def test_a_node_that_anybody_may_call_stops_the_start() -> None:
    running = Running(flat_settings(host="0.0.0.0", grpc_port=0, http_port=0))
    with pytest.raises(ConfigError, match="XAPP_INSECURE"):
        await running.task
    assert running.service.calls == []


async def test_a_port_in_use_stops_the_start() -> None:
    first = Running()
    ports = await first.until("listening")
    for key in ("grpc_port", "http_port"):
        taken = {"grpc_port": 0, "http_port": 0, key: ports[key]}
        second = Running(flat_settings(host="127.0.0.1", **taken))
        with pytest.raises(ConfigError, match=f"XAPP_{key.upper()}"):
            await second.task
        assert second.service.calls == [], "no model is loaded for a port that is not there"
    first.service.drained.set()
    first.stop.on_signal()
    assert await first.task == EXIT_OK


# ---- the RIC


async def test_registered_once_ready_and_deregistered_while_it_drains() -> None:
    async with AppManager().serving() as manager, StandIn().serving() as rmr, StandIn().serving() as http:
        endpoints = {"ric_rmr_endpoint": rmr.url[7:], "ric_http_endpoint": http.url[7:]}
        running = Running(settings(grace_period_s=5, ric_appmgr_url=manager.url, **endpoints))
        await running.until("listening")
        assert manager.asked == []
        running.service.loaded.set()
        await manager.until(lambda: "genai-xapp" in manager.registered)
        running.stop.on_signal()
        await manager.until(lambda: manager.registered == {})
        assert not running.task.done()
        assert running.service.ready is False
        running.service.drained.set()
        assert await running.task == EXIT_OK
    assert manager.paths("POST") == ["/ric/v1/register", "/ric/v1/deregister"]


async def test_an_application_manager_that_hangs_holds_up_neither_start_nor_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "LEAVE_S", 0.1)
    async with AppManager().serving() as manager, StandIn().serving() as other:
        manager.fault = HANG
        endpoints = {"ric_rmr_endpoint": other.url[7:], "ric_http_endpoint": other.url[7:]}
        running = Running(settings(ric_appmgr_url=manager.url, **endpoints))
        running.service.loaded.set()
        await running.until("serving")
        await manager.until(lambda: manager.asked != [])
        running.stop.on_signal()
        running.service.drained.set()
        assert await running.task == EXIT_OK
