"""The text process: one model's vocabulary and chat template, one thread.

    python -m xapp.text.process FD MODEL_PATH

FD is one end of a socket pair to the server. The process ends when the socket closes. All code on strangers'
data that is native or unbounded runs here, with limits of memory and time, and may die. A long or suspicious
text is processed in a forked process, a copy that costs about a millisecond: other texts do not wait for it.
"""

import gc
import hashlib
import os
import select
import socket
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from xapp.backend.native_memory import give_back_heap
from xapp.domain.messages import FrameBuffer, encode
from xapp.errors import ModelError, XappError
from xapp.failpoints import arm, guard
from xapp.text import limits
from xapp.text.answer import answer, import_validate
from xapp.text.forked import RECEIVE_BYTES, ForkedText, fork
from xapp.text.messages import Check, Loaded, LoadFailed, ToText, decode_to_text

if TYPE_CHECKING:
    from xapp.backend.vocab import Vocab
    from xapp.text.codec import TextCodec

MAX_PIECES_BYTES = 12 << 20
"""Limit of all tokens' bytes together; a vocabulary of 262,144 has 2 MB."""


class TextProcess:
    """Answers one request after the other; forked processes run in parallel.

    The server bounds their number.
    """

    def __init__(self, codec: "TextCodec", sock: socket.socket) -> None:
        self._codec = codec
        self._answer = guard("tokenizer", answer)
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
        data = self._socket.recv(RECEIVE_BYTES)
        for body in self._frames.feed(data) if data else ():
            request = decode_to_text(body)
            if request.forked:
                self._fork(request)
            else:
                with limits.limited_time(request.limit_s):
                    frame = self._answer(self._codec, request)
                self._socket.sendall(frame)
        return bool(data)

    def _fork(self, request: ToText) -> None:
        if isinstance(request, Check):
            import_validate()
        forked = fork(partial(answer, self._codec, request), request)
        self._forked[forked.pipe] = forked
        self._poll.register(forked.pipe, select.POLLIN)

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
    return codec, Loaded(
        codec.has_chat_template, codec.max_piece_bytes, pieces, places, fingerprint, vocab.frames
    )


def _fingerprint(vocab: "Vocab", pieces: bytes, starts: bytes) -> bytes:
    facts = (
        *(vocab.chat_template, vocab.bos, vocab.eos, vocab.add_bos, vocab.controls, vocab.added),
        vocab.frames,
    )
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
    arm(os.environ, "text")
    limits.leave_no_core()
    limits.widen_stack()
    limits.limit_memory(limits.LOAD_ROOM_BYTES)
    try:
        serve(socket.socket(fileno=int(fd)), path)
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
