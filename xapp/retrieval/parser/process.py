"""The parser process: each document in a forked process of its own, one after the other.

    python -m xapp.retrieval.parser.process FD

FD is one end of a socket pair to the server. The process ends when the socket closes. A document may use up
its memory or its time: its process ends, and the next document has a new one.
"""

import select
import socket
import sys
from functools import partial
from time import monotonic

from xapp.domain.frames import MAX_FRAME_BYTES, FrameBuffer, encode
from xapp.retrieval.documents.parsed import Unread
from xapp.retrieval.documents.pdf_text import is_installed
from xapp.retrieval.documents.read import is_pdf, read
from xapp.retrieval.parser.messages import Parse, Piece, Pieces, Unreadable, decode_parse
from xapp.text import limits
from xapp.text.forked import RECEIVE_BYTES, ForkedText, fork


def serve(sock: socket.socket) -> None:
    """Answers until the server is gone."""
    frames = FrameBuffer()
    while data := sock.recv(RECEIVE_BYTES):
        for body in frames.feed(data):
            request = decode_parse(body)
            if is_pdf(request.name, request.media_type, request.content) and is_installed():
                # Here, so that not every forked process imports it for half a second.
                import pypdf  # noqa: F401, PLC0415
            forked = fork(partial(answer, request), request)
            _wait(forked)
            sock.sendall(forked.result())


def _wait(forked: ForkedText) -> None:
    """Reads the answer of a forked process, or kills it at its deadline."""
    poll = select.poll()
    poll.register(forked.pipe, select.POLLIN)
    while True:
        left_ms = max(0.0, forked.deadline - monotonic()) * 1000 + 1
        if poll.poll(None if forked.late else left_ms):
            if not forked.read():
                return
        else:
            forked.kill()


def answer(request: Parse) -> bytes:
    """The frame for the server."""
    try:
        title, passages = read(
            request.name, request.media_type, request.content, request.passage_chars, request.overlap_chars
        )
    except Unread as error:
        return encode(Unreadable(request.request_id, error.reason, str(error)))
    except (MemoryError, RecursionError):
        return encode(Unreadable(request.request_id, "TOO_MUCH_WORK", "takes more memory than is allowed"))
    pieces = [Piece(each.text, each.title, each.start, each.end) for each in passages]
    frame = encode(Pieces(request.request_id, title, pieces))
    if len(frame) > MAX_FRAME_BYTES:
        return encode(Unreadable(request.request_id, "TOO_LARGE", f"its passages have {len(frame):,} bytes"))
    return frame


def main() -> None:
    """Entry point; the module's docstring has the argument."""
    limits.leave_no_core()
    try:
        serve(socket.socket(fileno=int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
