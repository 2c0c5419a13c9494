"""The text process: one model's vocabulary and chat template, one thread.

    python -m xapp.text.process FD MODEL_PATH

FD is one end of a socket pair to the server. The process ends when the socket closes. All code on strangers'
data that is native or unbounded runs here, with limits of memory and time, and may die. A long or suspicious
text is processed in a forked process, a copy that costs about a millisecond: other texts do not wait for it.
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
from xapp.domain.chat import ChatMessage, ToolCall
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
    Turn,
    decode_to_text,
)

if TYPE_CHECKING:
    from xapp.backend.vocab import Vocab
    from xapp.text.codec import TextCodec

MAX_PIECES_BYTES = 12 << 20
"""Limit of all tokens' bytes together; a vocabulary of 262,144 has 2 MB."""
_RECEIVE_BYTES = 1 << 18
_PR_SET_PDEATHSIG = 1
WALL_S_PER_CPU_S = 5.0
"""Wall time a second of the CPU limit. A text waits for a CPU on a busy machine, but not for ever."""


class ForkedText:
    """A forked process with one text."""

    def __init__(self, request: ToText, pid: int, pipe: int) -> None:
        self.request = request
        self.pid = pid
        self.pipe = pipe
        self.data = bytearray()
        self.deadline = monotonic() + request.limit_s * WALL_S_PER_CPU_S
        self.late = False

    def read(self) -> bool:
        """Reads its output. False at the end."""
        data = os.read(self.pipe, _RECEIVE_BYTES)
        self.data += data
        return bool(data)

    def kill(self) -> None:
        """Kills a process that took too long."""
        self.late = True
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> bytes:
        """The answer for the server, after the end of the process."""
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
    """Answers one request after the other; forked processes run in parallel.

    The server bounds their number.
    """

    def __init__(self, codec: "TextCodec", sock: socket.socket) -> None:
        self._codec = codec
        self._socket = sock
        self._frames = FrameBuffer()
        self._forked: dict[int, ForkedText] = {}
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def run(self) -> None:
        """Runs until the server is gone."""
        while True:
            for fd, _ in self._poll.poll(self._timeout_ms()):
                if fd != self._socket.fileno():
                    self._read_answer(self._forked[fd])
                elif not self._take():
                    return
            self._end_late()

    def _take(self) -> bool:
        data = self._socket.recv(_RECEIVE_BYTES)
        for body in self._frames.feed(data) if data else ():
            request = decode_to_text(body)
            if request.forked:
                self._fork(request)
            else:
                with limits.limited_time(request.limit_s):
                    frame = answer(self._codec, request)
                self._socket.sendall(frame)
        return bool(data)

    def _fork(self, request: ToText) -> None:
        if isinstance(request, Check):
            import_validate()
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run_forked(self._codec, request, write_end)
        os.close(write_end)
        self._forked[read_end] = ForkedText(request, pid, read_end)
        self._poll.register(read_end, select.POLLIN)

    def _read_answer(self, forked: ForkedText) -> None:
        if not forked.read():
            self._poll.unregister(forked.pipe)
            del self._forked[forked.pipe]
            self._socket.sendall(forked.result())

    def _timeout_ms(self) -> float | None:
        deadlines = [forked.deadline for forked in self._forked.values() if not forked.late]
        return max(0.0, min(deadlines) - monotonic()) * 1000 + 1 if deadlines else None

    def _end_late(self) -> None:
        now = monotonic()
        for forked in self._forked.values():
            if forked.deadline <= now and not forked.late:
                forked.kill()


def _run_forked(codec: "TextCodec", request: ToText, pipe: int) -> None:
    """Runs in the forked process. It never returns, and shares only the pipe with its parent."""
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
    """The answer as one frame."""
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
    """Takes 10 MB and 0.1 s, which a node without schemas saves. A fork inherits the import of its parent."""
    from xapp.formats import validate  # noqa: PLC0415

    return validate


def _tokens(codec: "TextCodec", request: Read) -> Tokens:
    return Tokens(request.request_id, _packed(_read(codec, request)))


def _read(codec: "TextCodec", request: Read) -> list[list[int]]:
    choices = None if request.choices is None else ["", *map(_text, request.choices)]
    if request.text is not None:
        text = _text(request.text)
        return [codec.encode(text + choice) for choice in choices or ("",)]
    turns = [_message(turn) for turn in request.turns]
    return [codec.encode_chat(turns)] if choices is None else codec.encode_answers(turns, choices)


def _message(turn: Turn) -> ChatMessage:
    calls = (ToolCall(id_, name, _text(arguments)) for id_, name, arguments in turn.calls)
    return ChatMessage(turn.role, _text(turn.content), tuple(calls), turn.call_id)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _packed(lists: Sequence[list[int]]) -> list[Ids]:
    """The lists, with the beginning that a choice shares with the prompt sent once."""
    first = lists[0]
    shares = [0, *(common_prefix(first, each) for each in lists[1:])]
    return [Ids(share, array("i", each[share:]).tobytes()) for share, each in zip(shares, lists, strict=True)]


def load(path: str) -> "tuple[TextCodec, Loaded]":
    """The model's codec, and its description for the server. Raises ModelError with the file."""
    from xapp.backend.vocab import Vocab  # noqa: PLC0415  within the bounds that `main` has set
    from xapp.text.codec import TextCodec  # noqa: PLC0415

    vocab = Vocab(path)
    codec = TextCodec(vocab, name=path)
    pieces, starts = vocab.all_pieces()
    if len(pieces) > MAX_PIECES_BYTES:
        text = f"{path}: its tokens have {len(pieces):,} bytes, more than the limit of {MAX_PIECES_BYTES:,}"
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
    """Loads, reports to the server, and answers until the server is gone."""
    codec, loaded = _try_load(path)
    sock.sendall(encode(loaded))
    if codec is None:
        return
    del loaded
    # Loaded objects live as long as the process: the garbage collector need not scan, nor a fork copy, them.
    gc.collect()
    gc.freeze()
    give_back_heap()
    limits.limit_memory(limits.WORK_ROOM_BYTES)
    TextProcess(codec, sock).run()


def main() -> None:
    """Entry point of the text process; the module's docstring has the arguments."""
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
