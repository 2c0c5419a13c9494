"""An OpenAI-compatible server without a model, in a thread: to measure it takes little time."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_S = 0.004
"""A model's pace: tokens that all came in one read would have no rate."""


class StandIn(ThreadingHTTPServer):
    """`requests` are the completions asked for; from the one numbered `dies_at` on none is answered whole."""

    daemon_threads = True

    def __init__(self, dies_at: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.dies_at = dies_at
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": "small"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.send_response(200)
        self.end_headers()
        for _ in range(request["max_tokens"]):
            self._event({"choices": [{"text": "x"}]})
            time.sleep(TOKEN_S)
        dies_at = self.server.dies_at
        if dies_at is None or len(self.server.requests) < dies_at:
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: object) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # a stream that was cancelled


@contextmanager
def stand_in(dies_at: int | None = None) -> Iterator[StandIn]:
    """Serves for the time of the `with`."""
    with StandIn(dies_at) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
