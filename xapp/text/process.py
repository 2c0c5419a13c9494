"""The text process: one model's vocabulary and chat template, one thread.

    python -m xapp.text.process FD MODEL_PATH

FD is one end of a socket pair to the server; the process ends when the socket does. All that is native or
unbounded on strangers' data runs here, within bounds of memory, and may die. What is long, or suspicious,
runs in a child of its own, a copy of this process that costs about a millisecond: whatever becomes of it,
others do not wait for it.
"""

import ctypes
import gc
import hashlib
import os
import select
import signal
import socket
import sys
from array import array
from collections.abc import Sequence
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from xapp.backend.native_memory import give_back_heap
from xapp.domain.chat import ChatMessage
from xapp.domain.messages import MAX_FRAME_BYTES, FrameBuffer, encode
from xapp.domain.prefix import common_prefix
from xapp.errors import InvalidArgument, ModelError, XappError
from xapp.text import limits
from xapp.text.messages import (
    Broke,
    Check,
    Checked,
    Ids,
    Loaded,
    LoadFailed,
    Read,
    Refused,
    Render,
    Rendered,
    Tokens,
    ToText,
    decode_to_text,
)

if TYPE_CHECKING:
    from xapp.backend.vocab import Vocab
    from xapp.text.codec import TextCodec

MAX_PIECES_BYTES = 12 << 20
"""All tokens' bytes together; a vocabulary of 262,144 has 2 MB."""
_RECEIVE_BYTES = 1 << 18
_PR_SET_PDEATHSIG = 1
WALL_S_PER_CPU_S = 5.0
"""On a busy machine a text waits for a CPU; this is for one that waits for ever."""


class Apart:
    """A child that has a text of its own."""

    def __init__(self, request: ToText, pid: int, pipe: int) -> None:
        self.request = request
        self.pid = pid
        self.pipe = pipe
        self.data = bytearray()
        self.until = monotonic() + request.limit_s * WALL_S_PER_CPU_S
        self.late = False

    def read(self) -> bool:
        """Takes what it wrote; False at the end."""
        data = os.read(self.pipe, _RECEIVE_BYTES)
        self.data += data
        return bool(data)

    def kill(self) -> None:
        """It took too long."""
        self.late = True
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> bytes:
        """What the server is told, once it has ended."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        if status == 0 and not self.late:
            return bytes(self.data)
        return encode(Broke(self.request.request_id, self._why(status)))

    def _why(self, status: int) -> str:
        if self.late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
            return f"it took longer than {self.request.limit_s:.1f} s"
        if os.WIFSIGNALED(status):
            return f"native code was ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"it ended with exit code {os.waitstatus_to_exitcode(status)}"


class TextProcess:
    """Answers one after the other; children beside. The server bounds how many there are."""

    def __init__(self, codec: "TextCodec", sock: socket.socket) -> None:
        self._codec = codec
        self._socket = sock
        self._frames = FrameBuffer()
        self._apart: dict[int, Apart] = {}
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def run(self) -> None:
        """Until the server is gone."""
        while True:
            for fd, _ in self._poll.poll(self._patience_ms()):
                if fd != self._socket.fileno():
                    self._hear(self._apart[fd])
                elif not self._take():
                    return
            self._end_late()

    def _take(self) -> bool:
        data = self._socket.recv(_RECEIVE_BYTES)
        for body in self._frames.feed(data) if data else ():
            request = decode_to_text(body)
            if request.apart:
                self._fork(request)
            else:
                with limits.limited_time(request.limit_s):
                    frame = answer(self._codec, request)
                self._socket.sendall(frame)
        return bool(data)

    def _fork(self, request: ToText) -> None:
        if isinstance(request, Check):
            import_validate()
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run_apart(self._codec, request, theirs)
        os.close(theirs)
        self._apart[ours] = Apart(request, pid, ours)
        self._poll.register(ours, select.POLLIN)

    def _hear(self, apart: Apart) -> None:
        if not apart.read():
            self._poll.unregister(apart.pipe)
            del self._apart[apart.pipe]
            self._socket.sendall(apart.result())

    def _patience_ms(self) -> float | None:
        untils = [apart.until for apart in self._apart.values() if not apart.late]
        return max(0.0, min(untils) - monotonic()) * 1000 + 1 if untils else None

    def _end_late(self) -> None:
        now = monotonic()
        for apart in self._apart.values():
            if apart.until <= now and not apart.late:
                apart.kill()


def _run_apart(codec: "TextCodec", request: ToText, pipe: int) -> None:
    """The child's whole life: it never returns, and shares nothing with its parent but the pipe."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        limits.limit_memory(limits.room_for(request.size))
        with limits.limited_time(request.limit_s):
            data = memoryview(answer(codec, request))
        while data:
            data = data[os.write(pipe, data) :]
        os._exit(0)
    finally:
        os._exit(1)


def answer(codec: "TextCodec", request: ToText) -> bytes:
    """One frame."""
    try:
        frame = encode(_answer(codec, request))
    except InvalidArgument as error:
        return encode(Refused(request.request_id, error.field, error.description, error.reason))
    except ModelError as error:
        return encode(Refused(request.request_id, "", error.message, error.reason))
    except MemoryError:
        return encode(Broke(request.request_id, "it takes too much memory"))
    except RecursionError:
        return encode(Broke(request.request_id, "it nests too deep"))
    if len(frame) > MAX_FRAME_BYTES:
        return encode(Broke(request.request_id, "it makes too much of it"))
    return frame


def _answer(codec: "TextCodec", request: ToText) -> Tokens | Rendered | Checked:
    match request:
        case Render():
            return _render(request)
        case Check():
            return _check(request)
        case Read():
            return _tokens(codec, request)


def _render(request: Render) -> Rendered:
    from xapp.text.task_template import render  # noqa: PLC0415  a node whose tasks are not asked needs none

    return Rendered(request.request_id, render(request.template, request.inputs).encode(errors="replace"))


def _check(request: Check) -> Checked:
    validate = import_validate()
    faults = [validate.validator_of(schema).fault_of_text(_text(text)) for schema, text in request.pairs]
    return Checked(request.request_id, faults)


def import_validate() -> ModuleType:
    """10 MB and 0.1 s that a node without schemas does without. A child has what its parent imported."""
    from xapp.formats import validate  # noqa: PLC0415

    return validate


def _tokens(codec: "TextCodec", request: Read) -> Tokens:
    return Tokens(request.request_id, _packed(_read(codec, request)))


def _read(codec: "TextCodec", request: Read) -> list[list[int]]:
    choices = None if request.choices is None else ["", *map(_text, request.choices)]
    if request.text is not None:
        text = _text(request.text)
        return [codec.encode(text + choice) for choice in choices or ("",)]
    turns = [ChatMessage(role, _text(content)) for role, content in request.turns]
    return [codec.encode_chat(turns)] if choices is None else codec.encode_answers(turns, choices)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _packed(lists: Sequence[list[int]]) -> list[Ids]:
    """Prompt and choice begin as the prompt does: that part is sent once."""
    first = lists[0]
    shares = [0, *(common_prefix(first, each) for each in lists[1:])]
    return [Ids(share, array("i", each[share:]).tobytes()) for share, each in zip(shares, lists, strict=True)]


def load(path: str) -> "tuple[TextCodec, Loaded]":
    """The model's codec, and what the server needs to know of it. Raises ModelError naming the file."""
    from xapp.backend.vocab import Vocab  # noqa: PLC0415  within the bounds that `main` has set
    from xapp.text.codec import TextCodec  # noqa: PLC0415

    vocab = Vocab(path)
    codec = TextCodec(vocab, name=path)
    pieces, starts = vocab.all_pieces()
    if len(pieces) > MAX_PIECES_BYTES:
        text = f"{path}: its tokens have {len(pieces):,} bytes, at most {MAX_PIECES_BYTES:,} are taken"
        raise ModelError(text, reason="UNSUPPORTED_MODEL")
    places = starts.tobytes()
    fingerprint = _fingerprint(vocab, pieces, places)
    return codec, Loaded(codec.has_chat_template, codec.max_piece_bytes, pieces, places, fingerprint)


def _fingerprint(vocab: "Vocab", pieces: bytes, starts: bytes) -> bytes:
    facts = (vocab.chat_template, vocab.bos, vocab.eos, vocab.add_bos, vocab.controls, vocab.added)
    return hashlib.sha256(b"".join((pieces, starts, repr(facts).encode(errors="replace")))).digest()


def _try_load(path: str) -> "tuple[TextCodec | None, msgspec.Struct]":
    try:
        return load(path)
    except XappError as error:
        return None, LoadFailed(error.message, error.reason)
    except MemoryError:
        text = f"{path}: its vocabulary or chat template takes too much memory"
        return None, LoadFailed(text, "UNSUPPORTED_MODEL")


def serve(sock: socket.socket, path: str) -> None:
    """Loads, tells the server, answers until the server is gone."""
    codec, loaded = _try_load(path)
    sock.sendall(encode(loaded))
    if codec is None:
        return
    del loaded
    # What is loaded by now lives for ever: nobody need look at it again, nor copy it for a child.
    gc.collect()
    gc.freeze()
    give_back_heap()
    limits.limit_memory(limits.WORK_ROOM_BYTES)
    TextProcess(codec, sock).run()


def main() -> None:
    """See the module."""
    fd, path = sys.argv[1:]
    limits.leave_no_core()
    limits.widen_stack()
    limits.limit_memory(limits.LOAD_ROOM_BYTES)
    try:
        serve(socket.socket(fileno=int(fd)), path)
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
