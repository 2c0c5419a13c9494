"""`genai-xapp health` asks the node that has the settings of the environment."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.certificates import Authority
from xapp.cli.health import health


class Node(BaseHTTPRequestHandler):
    """Answers the path of health, and no other."""

    ready = True

    def do_GET(self) -> None:
        known = self.path == "/ric/v1/health/ready"
        self.send_response(404 if not known else 200 if self.ready else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "ready"}')

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def node(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Node) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, **settings: str) -> Result:
    every_address = "0.0.0.0"
    return CliRunner().invoke(
        health, [], env={"XAPP_HTTP_PORT": str(port), "XAPP_HOST": every_address, **settings}
    )


@pytest.mark.parametrize(("ready", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_tells_whether_the_node_is_ready(
    ready: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "ready", ready)
    with node() as port:
        result = ask(port)
    assert (result.exit_code, "ready" in result.output) == (code, True)


def test_a_node_with_tls_is_asked_by_tls(tmp_path: Path) -> None:
    pair = Authority(tmp_path).sign("node", "DNS:node.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with node(context) as port:
        assert ask(port, XAPP_TLS_CERT=str(pair.cert), XAPP_TLS_KEY=str(pair.key)).exit_code == 0


def test_nobody_listens() -> None:
    with node() as port:
        pass
    result = ask(port)
    assert result.exit_code == 1
    assert "no answer" in result.output


def test_a_wrong_setting_is_named() -> None:
    assert "XAPP_HTTP_PORT" in str(CliRunner().invoke(health, [], env={"XAPP_HTTP_PORT": "x"}).exception)
