"""Model files that change while the model is loaded. The workers are scripted, the files are real."""

import hashlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.nodes import Node, collect, pid_of, text_of
from tests.workers.workers import until
from xapp.domain.requests import Request
from xapp.domain.states import ModelState
from xapp.errors import ModelError
from xapp.models.mark import mark_of
from xapp.served import file_watch
from xapp.service.service import NodeService
from xapp.text.local import LocalText

ASK = Request("hi")


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watch, "LOOK_S", 0.01)


@pytest.fixture
def node(node: Node) -> Node:
    """Whose files count."""
    node.look = mark_of
    node.digest = lambda path: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return node


@pytest.fixture
async def service(node: Node) -> AsyncIterator[NodeService]:
    async with node.serving() as service:
        yield service


def content(how: str = "ok") -> str:
    """Of another file, with which a scripted worker loads so."""
    return f'{{"load": "{how}", "other": 1}}'


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def digest_now(node: Node) -> str:
    return node.digest(node.folder / "tiny.gguf")


def is_of(service: NodeService, digest: str) -> bool:
    status = service.get_model("")
    return status.digest == digest and status.state is ModelState.READY


async def test_a_replaced_file_is_said_and_the_worker_goes_on(
    node: Node, service: NodeService, caplog: pytest.LogCaptureFixture
) -> None:
    before = service.get_model("")
    assert before.warning == ""
    with caplog.at_level(logging.WARNING):
        replace(node.folder / "tiny.gguf", content())
        await until(lambda: "another file is in its place" in service.get_model("").warning)
    assert service.get_model("").digest == before.digest
    assert text_of(await collect(service, ASK)) == "hi"
    assert sum("another file is in its place" in record.message for record in caplog.records) == 1


async def test_after_a_replaced_file_the_next_worker_is_another_model(
    node: Node, service: NodeService
) -> None:
    replace(node.folder / "tiny.gguf", content())
    os.kill(pid_of(service), signal.SIGKILL)
    await until(lambda: is_of(service, digest_now(node)))
    assert text_of(await collect(service, ASK)) == "hi"
    status = service.get_model("")
    assert (status.is_default, status.warning, status.num_restarts) == (True, "", 0)


async def test_no_request_is_answered_by_the_new_file_under_the_old_digest(
    node: Node, service: NodeService
) -> None:
    old = service.get_model("").digest
    replace(node.folder / "tiny.gguf", content())
    pid = pid_of(service)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid_of(service) not in (0, pid) if service.samples() else False)
    assert service.get_model("").digest != old


async def test_a_replaced_file_whose_text_process_cannot_start_is_loaded_anew(
    node: Node, service: NodeService
) -> None:
    serving = service._registry.find("").serving
    assert serving is not None
    replace(node.folder / "tiny.gguf", content())
    assert isinstance(serving.codec, LocalText)
    serving.codec.can_start = False  # as where a text process of the new file was refused
    await until(lambda: is_of(service, digest_now(node)))
    assert text_of(await collect(service, ASK)) == "hi"


async def test_a_file_written_to_ends_its_worker_and_is_loaded_anew(node: Node, service: NodeService) -> None:
    pid = pid_of(service)
    (node.folder / "tiny.gguf").write_text(content())
    await until(lambda: is_of(service, digest_now(node)))
    assert pid_of(service) != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("how", ["touch", "replace"])
async def test_the_same_content_stays_the_same_model(node: Node, service: NodeService, how: str) -> None:
    path = node.folder / "tiny.gguf"
    pid, served = pid_of(service), service._registry.find("").disk
    if how == "touch":
        os.utime(path, ns=(1, 1))
    else:
        replace(path, path.read_text())
        os.kill(pid, signal.SIGKILL)
    await until(lambda: served.mark == mark_of(path))
    await until(lambda: is_of(service, digest_now(node)))
    assert (pid_of(service) == pid) is (how == "touch")
    assert service._registry.find("").disk is served
    assert text_of(await collect(service, ASK)) == "hi"


async def test_a_file_that_is_no_model_is_refused_until_another_lies_there(
    node: Node, service: NodeService
) -> None:
    path = node.folder / "tiny.gguf"
    path.write_text(content("fail"))
    await until(lambda: service.get_model("").state is ModelState.FAILED)
    assert service.get_model("").error
    with pytest.raises(ModelError):
        [_ async for _ in service.load_model("")]
    replace(path, content())
    await until(lambda: is_of(service, digest_now(node)))


async def test_a_file_that_is_gone_is_said_and_its_return_is_seen(node: Node, service: NodeService) -> None:
    path = node.folder / "tiny.gguf"
    kept = path.read_text()
    path.unlink()
    await until(lambda: "it is gone" in service.get_model("").warning)
    assert text_of(await collect(service, ASK)) == "hi"
    replace(path, kept)
    os.kill(pid_of(service), signal.SIGKILL)
    await until(lambda: is_of(service, digest_now(node)) and service.get_model("").warning == "")


async def test_a_file_that_changes_while_it_is_loaded_is_refused(node: Node) -> None:
    digest = node.digest

    def replacing(path: Path) -> str:
        if path.name == "other.gguf":
            replace(path, content())
        return digest(path)

    node.digest = replacing
    async with node.serving() as service:
        node.look = mark_of
        with pytest.raises(ModelError) as caught:
            [_ async for _ in service.load_model("other")]
        assert caught.value.reason == "MODEL_FILE_CHANGED"
