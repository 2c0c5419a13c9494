"""A worker process over a real socket pair, with the fake backend where no native code is needed."""

import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from xapp.backend.fake_rule import END_TOKEN, next_token
from xapp.config import EngineSettings
from xapp.domain.messages import (
    Cancel,
    FinishReason,
    FrameBuffer,
    FromWorker,
    LoadFailed,
    Progress,
    Ready,
    Shutdown,
    StepEvents,
    Submit,
    ToWorker,
    decode_from_worker,
    encode,
)

FAKE = EngineSettings(backend="fake", slots=4, kv_cells=2048)


class Peer:
    """The server's end of one worker."""

    def __init__(self, path: str, settings: EngineSettings) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(60)
        self._frames = FrameBuffer()
        self._inbox: list[FromWorker] = []
        command = [sys.executable, "-m", "xapp.engine.worker", str(theirs.fileno()), path]
        self.process = subprocess.Popen(
            [*command, msgspec.json.encode(settings).decode()],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        theirs.close()

    def send(self, *messages: ToWorker) -> None:
        self.socket.sendall(b"".join(map(encode, messages)))

    def receive(self) -> FromWorker:
        """The next message; EOFError at the end."""
        while not self._inbox:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._inbox += map(decode_from_worker, self._frames.feed(data))
        return self._inbox.pop(0)

    def loaded(self) -> FromWorker:
        """What loading ended with."""
        while isinstance(message := self.receive(), Progress):
            assert 0 <= message.fraction <= 1
        return message

    def events(self, until: Callable[[StepEvents], bool]) -> list[StepEvents]:
        seen: list[StepEvents] = []
        while not seen or not until(seen[-1]):
            message = self.receive()
            assert isinstance(message, StepEvents)
            seen.append(message)
        return seen

    def exit(self) -> tuple[int, str]:
        """Its exit code and what it printed."""
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output.decode()

    def close(self) -> None:
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


Start = Callable[..., Peer]


@pytest.fixture
def start() -> Iterator[Start]:
    peers: list[Peer] = []

    def run(path: str = "", settings: EngineSettings = FAKE) -> Peer:
        peers.append(Peer(path, settings))
        return peers[-1]

    yield run
    for peer in peers:
        peer.close()


@pytest.fixture
def ready(start: Start) -> Peer:
    peer = start()
    assert isinstance(peer.loaded(), Ready)
    return peer


def ended(request_id: int) -> Callable[[StepEvents], bool]:
    return lambda events: any(end.request_id == request_id for end in events.finished)


def answer(prompt: list[int], count: int) -> list[int]:
    tokens = list(prompt)
    for _ in range(count):
        token = next_token(tokens)
        if token == END_TOKEN:
            break
        tokens.append(token)
    return tokens[len(prompt) :]


def tokens_of(seen: list[StepEvents], request_id: int) -> list[int]:
    flat = [number for events in seen for number in events.tokens]
    return [token for owner, token in zip(flat[::2], flat[1::2], strict=True) if owner == request_id]


def endless(request_id: int) -> Submit:
    return Submit(request_id, [request_id] * 20, 1500, ignore_eos=True)


def test_it_says_ready_and_streams_the_answer_a_token_a_step(ready: Peer) -> None:
    prompt = list(b"hello")
    ready.send(Submit(7, prompt, 12))
    seen = ready.events(ended(7))
    assert tokens_of(seen, 7) == answer(prompt, 12)
    assert max(len(events.tokens) for events in seen) == 2
    assert [started.request_id for events in seen for started in events.started] == [7]
    assert seen[-1].stats is not None
    assert seen[-1].stats.num_running == 0


def test_it_says_what_it_is(start: Start) -> None:
    message = start().loaded()
    assert isinstance(message, Ready)
    assert (message.info.num_slots, message.info.kv_cells_total) == (4, 2048)


def test_several_at_once(ready: Peer) -> None:
    prompts = {n: [n] * (10 + n) for n in range(1, 10)}
    ready.send(*(Submit(n, prompt, 5, ignore_eos=True) for n, prompt in prompts.items()))
    left = set(prompts)
    seen: list[StepEvents] = []
    while left:
        seen += ready.events(lambda events: bool(events.finished))
        left -= {end.request_id for end in seen[-1].finished}
    for n, prompt in prompts.items():
        assert tokens_of(seen, n)[: len(answer(prompt, 5))] == answer(prompt, 5)


def test_cancel_ends_a_running_request_and_unknown_ids_are_ignored(ready: Peer) -> None:
    ready.send(endless(1))
    ready.events(lambda events: bool(events.tokens))
    ready.send(Cancel(99), Cancel(1))
    end = ready.events(ended(1))[-1].finished[0]
    assert end.reason is FinishReason.CANCELLED
    ready.send(Submit(2, [1, 2], 3))
    ready.events(ended(2))


def test_shutdown_ends_it_in_the_middle_of_work(ready: Peer) -> None:
    ready.send(endless(1))
    ready.events(lambda events: bool(events.tokens))
    ready.send(Shutdown())
    with pytest.raises(EOFError):
        ready.events(ended(1))
    assert ready.exit() == (0, "")


def test_it_ends_when_the_server_is_gone_idle(ready: Peer) -> None:
    ready.socket.close()
    assert ready.exit() == (0, "")


def test_it_ends_when_the_server_is_gone_in_the_middle_of_work(ready: Peer) -> None:
    ready.send(endless(1))
    ready.events(lambda events: bool(events.tokens))
    ready.socket.close()
    assert ready.exit() == (0, "")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack("!I", 0xFFFFFFFF), "exceeds"),
        (struct.pack("!I", 3) + b"\xc1\xc1\xc1", "MessagePack"),
        (struct.pack("!I", 1) + b"\x80", "ValidationError"),
    ],
    ids=["oversized", "not msgpack", "not a message"],
)
def test_what_is_no_message_ends_it_with_the_reason(ready: Peer, data: bytes, says: str) -> None:
    ready.socket.sendall(data)
    code, output = ready.exit()
    assert code == 1
    assert says in output.splitlines()[-1]


def test_half_a_frame_is_waited_for(ready: Peer) -> None:
    frame = encode(Submit(1, [1, 2, 3], 2))
    ready.socket.sendall(frame[:9])
    ready.socket.sendall(frame[9:])
    assert ready.events(ended(1))


@pytest.mark.parametrize("content", [None, b"", b"GG", b"<html>not here</html>"], ids=repr)
def test_a_file_that_is_no_model(start: Start, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    peer = start(str(path), EngineSettings())
    message = peer.loaded()
    assert isinstance(message, LoadFailed)
    assert message.reason == "BAD_MODEL_FILE"
    reason = "No such file" if content is None else "not a GGUF file"
    assert message.message.startswith(f"{path}: {reason}")
    assert peer.exit() == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "reason"), [(60_000_000, "not within the file bounds"), (300_000, "truncated or corrupt")]
)
def test_a_truncated_model(
    start: Start, tmp_path: Path, default_model_path: Path, size: int, reason: str
) -> None:
    path = tmp_path / "short.gguf"
    with default_model_path.open("rb") as model:
        path.write_bytes(model.read(size))
    peer = start(str(path), EngineSettings())
    message = peer.loaded()
    assert isinstance(message, LoadFailed)
    assert str(path) in message.message
    assert reason in message.message
    assert peer.exit() == (0, "")


@pytest.mark.slow
def test_weights_of_rubbish_fail_the_self_test(
    start: Start, tmp_path: Path, default_model_path: Path
) -> None:
    path = tmp_path / "rubbish.gguf"
    data = bytearray(default_model_path.read_bytes())
    data[-40_000_000:] = b"\xff" * 40_000_000
    path.write_bytes(data)
    message = start(str(path), EngineSettings(kv_cells=256)).loaded()
    assert isinstance(message, LoadFailed)
    assert message.reason == "SELF_TEST_FAILED"
    assert str(path) in message.message


@pytest.mark.slow
def test_a_setting_that_does_not_fit_the_model_names_its_key(start: Start, default_model_path: Path) -> None:
    message = start(str(default_model_path), EngineSettings(context_length=100_000)).loaded()
    assert isinstance(message, LoadFailed)
    assert message.reason == "BAD_SETTING"
    assert message.message.startswith("XAPP_CONTEXT_LENGTH: ")


@pytest.mark.slow
def test_the_server_goes_while_the_model_loads(start: Start, default_model_path: Path) -> None:
    peer = start(str(default_model_path), EngineSettings(kv_cells=256, threads=1))
    peer.socket.close()
    code, output = peer.exit()
    assert (code, output) == (0, "")
