"""Model files that cannot be served, and models that come and go."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import SERVING, Caller, calling, endless, rest_of, workers
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=8)
BAD = {
    "empty": "is empty",
    "text": "is not a GGUF file",
    "short": "is truncated",
    "corrupt": "is corrupt",
    "alien": "unknown model architecture",
    "noise": "no finite logits",
}
"""Bad files and what is said of them. The header of the last two is right: llama.cpp loads them, or tries."""
EXIT_CONFIG, EXIT_MODEL = 2, 3


@pytest.fixture(scope="module")
def folder(shallow_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a second good model and bad ones."""
    folder = tmp_path_factory.mktemp("models")
    link(shallow_model_path, folder / "second.gguf")
    size = shallow_model_path.stat().st_size
    with shallow_model_path.open("rb") as file:
        start = file.read(4 * 1024 * 1024)
    (folder / "empty.gguf").write_bytes(b"")
    (folder / "text.gguf").write_bytes(b"<html>404 Not Found</html>\n" * 100)
    (folder / "short.gguf").write_bytes(start)
    # The magic and the version are right, the metadata is noise.
    (folder / "corrupt.gguf").write_bytes(start[:40] + bytes(range(256)) * 4096)
    _write_whole(folder / "alien.gguf", start.replace(b"llama", b"alien", 1), size)
    _write_whole(folder / "noise.gguf", start, size, b"\xff")
    return folder


def _write_whole(path: Path, start: bytes, size: int, filling: bytes = b"") -> None:
    """`start`, and the rest as `filling` says; without, a hole that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(start)
        if filling:
            file.write(filling * (size - len(start)))
        file.truncate(size)


def link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def serve(model: str) -> subprocess.CompletedProcess[str]:
    """A server that does not start."""
    command = [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", "0", "--http-port", "0"]
    environ = {**os.environ, "XAPP_HOST": "127.0.0.1", "XAPP_MODEL": model}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("model", ["/nowhere/model.gguf", "no-such-model"])
def test_a_model_that_is_not_there_stops_the_start(model: str) -> None:
    done = serve(model)
    assert done.returncode == EXIT_CONFIG, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("genai-xapp: XAPP_MODEL: ")
    assert model in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_stops_the_start(folder: Path, name: str) -> None:
    path = folder / f"{name}.gguf"
    done = serve(str(path))
    assert done.returncode == EXIT_MODEL, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "model_failed" in line]
    assert str(path) in line
    assert BAD[name] in line
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def models_server(shallow_model_path: Path, folder: Path) -> Iterator[LiveServer]:
    environ = {"XAPP_MODEL": str(shallow_model_path), "XAPP_MODELS_DIR": str(folder)}
    with serving(environ | {"XAPP_CONTEXT_LENGTH": "8192", "XAPP_MAX_MODELS": "2"}) as server:
        yield server


@pytest.fixture
async def caller(models_server: LiveServer) -> AsyncIterator[Caller]:
    """Leaves no second model behind, also where a test fails."""
    async with calling(models_server) as caller:
        yield caller
        if len(workers(models_server)) > 1:
            await caller.models.UnloadModel(models_pb2.UnloadModelRequest(name="second"))


async def test_loading_a_bad_file_disturbs_nobody(caller: Caller) -> None:
    running = await caller.begin(endless())
    for name, fault in BAD.items():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.load(name)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        message = caught.value.details() or ""
        assert f"{name}.gguf" in message
        assert fault in message
        failed = await caller.model(name)
        assert failed.state == models_pb2.MODEL_STATE_FAILED
        assert failed.error == message
        error = await caller.refused(pb.GenerateRequest(model=name, prompt="hi"))
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert (await running.read()).HasField("chunk")
        assert await caller.check() == SERVING
    assert (await caller.model()).num_restarts == 0
    running.cancel()


async def test_a_second_model_comes_answers_and_goes(caller: Caller) -> None:
    before = await caller.text(ASK)
    error = await caller.refused(pb.GenerateRequest(model="second", prompt="hi"))
    assert details_of(error).info.reason == "MODEL_NOT_LOADED"
    progress = await caller.load("second")
    assert progress[-1].model.state == models_pb2.MODEL_STATE_READY
    assert progress[-1].progress == 1.0
    second = pb.GenerateRequest(model="second", prompt=ASK.prompt, max_tokens=ASK.max_tokens)
    events = await caller.generate(second)
    assert events[0].started.model == "second"
    assert "".join(event.chunk.text for event in events) == before
    assert len(workers(caller.server)) == 2
    gone = await caller.models.UnloadModel(models_pb2.UnloadModelRequest(name="second"))
    assert gone.model.state == models_pb2.MODEL_STATE_AVAILABLE
    assert len(workers(caller.server)) == 1
    assert (await caller.refused(second)).code() is grpc.StatusCode.NOT_FOUND
    assert await caller.text(ASK) == before


async def test_a_lost_worker_takes_no_other_model_with_it(caller: Caller) -> None:
    await caller.load("second")
    running, lost = await caller.begin(endless()), await caller.begin(endless(model="second"))
    os.kill(workers(caller.server)["second.gguf"], signal.SIGKILL)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(lost)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (await running.read()).HasField("chunk")
    assert await caller.check() == SERVING
    assert (await caller.load("second"))[-1].model.num_restarts == 1
    running.cancel()
    await caller.models.UnloadModel(models_pb2.UnloadModelRequest(name="second"))


async def test_unloading_lets_a_stream_finish(caller: Caller) -> None:
    await caller.load("second")
    request = pb.GenerateRequest(model="second", prompt="Once", max_tokens=60, ignore_eos=True)
    call = await caller.begin(request)
    await caller.models.UnloadModel(models_pb2.UnloadModelRequest(name="second"))
    events = await rest_of(call)
    assert events[-1].finished.usage.num_completion_tokens == 60


async def test_the_default_model_stays(caller: Caller) -> None:
    name = (await caller.model()).name
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.models.UnloadModel(models_pb2.UnloadModelRequest(name=name))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert name in (caught.value.details() or "")


async def test_a_path_is_no_name(caller: Caller, folder: Path) -> None:
    for name in (str(folder / "second.gguf"), "../second.gguf"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.load(name)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
