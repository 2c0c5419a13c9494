"""The client without asyncio: the same calls, from any thread."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.scripted_node import (
    ANSWER,
    Hang,
    ScriptedNode,
    bad_field,
    chunk,
    scripted_node,
    started,
    unavailable,
)
from xapp.client import AsyncClient, Client, ClientError, SyncClient, user


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


@pytest.fixture
def client(node: ScriptedNode) -> Iterator[SyncClient]:
    with SyncClient(node.target, client_id="planner") as client:
        yield client


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_it_has_every_method_of_the_client() -> None:
    assert AsyncClient is Client
    assert public(Client) - {"voice"} <= public(SyncClient), "a conversation is for asyncio"
    for name in public(Client) - {"close", "voice"}:
        assert getattr(SyncClient, name).__doc__ == getattr(Client, name).__doc__


def test_a_stream_is_read_with_for(client: SyncClient, node: ScriptedNode) -> None:
    assert list(client.stream_text([user("hi")], max_tokens=5)) == ["Hello", " wörld"]
    assert node.requests[0].max_tokens == 5


def test_the_other_calls(client: SyncClient) -> None:
    assert client.tokenize("abc").num_tokens == 3
    assert client.score("p", ["a", "b"]).winner == 0
    assert list(client.embed(["abc"])[0]) == [3.0, 1.0]
    assert client.rerank("q", ["a", "bc"]).documents[0].index == 1
    assert client.estimate("abc").admitted
    assert client.list_models()[0].name == "m"
    assert client.list_tasks()[0].name == "triage"
    assert len(list(client.metrics(count=2))) == 2
    assert [step.progress for step in client.load_model("x")] == [0.5, 1.0]
    assert client.unload_model("x").name == "x"


def test_errors_and_retries_are_those_of_the_client(client: SyncClient, node: ScriptedNode) -> None:
    node.script = [[unavailable(0.01)], ANSWER, [bad_field("stop")]]
    assert "".join(client.stream_text("a")) == "Hello wörld"
    with pytest.raises(ClientError, match="INVALID_ARGUMENT: stop: wrong"):
        list(client.generate("a"))


def test_to_leave_a_stream_cancels_the_call(client: SyncClient, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    texts = client.stream_text("endless")
    assert next(texts) == "a"
    texts.close()
    assert node.ended.wait(10)


def test_ctrl_c_in_a_wait_cancels_the_call(client: SyncClient, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    texts = client.stream_text("endless")
    assert next(texts) == "a"
    # Tests in the background of a shell inherit that SIGINT is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            next(texts)
    finally:
        signal.signal(signal.SIGINT, before)
    assert node.ended.wait(10)


def test_threads_share_a_client(client: SyncClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: "".join(client.stream_text("a")), range(32)))
    assert set(answers) == {"Hello wörld"}


def test_a_closed_client_says_so(node: ScriptedNode) -> None:
    client = SyncClient(node.target)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.list_tasks()


def test_a_wrong_option_leaves_no_thread() -> None:
    with pytest.raises(TypeError):
        SyncClient("127.0.0.1:1", no_such_option=1)
    assert "genai-xapp-client" not in {thread.name for thread in threading.enumerate()}
