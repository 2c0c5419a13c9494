"""A stand-in of the model hub on loopback: HEAD and ranges, and on order it drops, lies and refuses."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass
class StandIn:
    """What it serves and how it misbehaves. `log` has (method, path, Range) of every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    endpoint: str = ""
    log: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    drop_after: list[int] = field(default_factory=list)  # one entry a GET: so many bytes, then the line dies
    statuses: list[int] = field(default_factory=list)  # one entry a request: this status instead
    head_statuses: list[int] = field(default_factory=list)
    stated_size: int | None = None
    stated_hash: str | None = None
    ignore_range: bool = False
    chunked: bool = False
    gated: bool = False
    redirect_to: str = ""

    def gets(self) -> list[str]:
        """The Range of each GET, in order."""
        return [span for method, _, span in self.log if method == "GET"]


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    server.daemon_threads = False
    stand_in.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection a request: nothing lingers when a test ends

        def log_message(self, *_: Any) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            hub.log.append((self.command, self.path, self.headers.get("Range", "")))
            hub.tokens.append(self.headers.get("Authorization", ""))
            refusals = hub.statuses if body else hub.head_statuses
            if refusals and (status := refusals.pop(0)) != 200:
                return self._refuse(status, "")
            if hub.gated and not self.headers.get("Authorization"):
                return self._refuse(401, "GatedRepo")
            match = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", self.path)
            content = hub.files.get(f"{match[1]}/{match[3]}") if match else None
            if content is None:
                return self._refuse(404, "EntryNotFound")
            if match and match[2] not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            return self._redirect(content) if hub.redirect_to else self._send(content, body=body)

        def _redirect(self, content: bytes) -> None:
            self.send_response(302)
            self._facts(content)
            self.send_header("Location", hub.redirect_to + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _facts(self, content: bytes) -> None:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{hub.stated_hash or hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Linked-Size", str(hub.stated_size or len(content)))

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, content: bytes, *, body: bool) -> None:
            start = self._start()
            if body and start is not None and start >= len(content):
                return self._refuse(416, "")
            self.send_response(206 if start else 200)
            self._facts(content)
            rest = content[start or 0 :]
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if not hub.chunked:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if body:
                cut = hub.drop_after.pop(0) if hub.drop_after else len(rest)
                self.wfile.write(rest[:cut])
            return None

        def _start(self) -> int | None:
            match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            return int(match[1]) if match and not hub.ignore_range else None

    return Handler
