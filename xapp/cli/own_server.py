"""A server that a command starts for itself on this machine, and ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import click

from xapp.client import Client, ClientError

START_S = 120.0
_STOP_S = 30.0
_LOG_LINES = 20
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server process, the ports that it listens on, and its log."""

    process: "subprocess.Popen[bytes]"
    grpc_port: int
    http_port: int
    log: IO[bytes]

    @property
    def target(self) -> str:
        """`HOST:PORT` for a client."""
        return f"127.0.0.1:{self.grpc_port}"

    def tail(self) -> str:
        """The last lines of the log."""
        self.log.seek(0)
        return "\n".join(self.log.read().decode(errors="replace").splitlines()[-_LOG_LINES:])

    async def until_serving(self, client: Client, within_s: float = START_S) -> None:
        """Waits for the model. Raises ClientError when the server ends, or needs more than `within_s` s."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        await self._until_listening(until)
        while True:
            try:
                await client.wait_until_serving(0.5)
            except ClientError:
                if self.process.poll() is not None:
                    code = self.process.returncode
                    raise ClientError("UNAVAILABLE", f"the server ended with exit code {code}") from None
                if loop.time() > until:
                    raise
            else:
                return

    async def _until_listening(self, until: float) -> None:
        """Waits for the port: gRPC tries a port that refuses less and less often, up to every two seconds."""
        while self.process.poll() is None and asyncio.get_running_loop().time() < until:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.grpc_port)
            except OSError:
                await asyncio.sleep(_LOOK_S)
            else:
                writer.close()
                return

    def stop(self) -> None:
        """SIGTERM. Raises ClickException with the end of the log where the server does not end well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            text = f"the server did not end within {_STOP_S:g} s:\n{self.tail()}"
            raise click.ClickException(text) from error
        if code != 0:
            raise click.ClickException(f"the server ended with exit code {code}:\n{self.tail()}")


@contextmanager
def own_server(
    model: str, settings: Mapping[str, str] | None = None, *, quick: bool = False
) -> Iterator[OwnServer]:
    """Starts a server of `model` on free ports of the loopback interface. It is gone afterwards.

    It has the node's settings, but for those by which others reach the node. `settings` are further
    variables. `quick` leaves out measurements before the first answer.
    """
    grpc_port, http_port = _free_ports(2)
    ports = {
        "XAPP_MODEL": model,
        "XAPP_HOST": "127.0.0.1",
        "XAPP_GRPC_PORT": str(grpc_port),
        "XAPP_HTTP_PORT": str(http_port),
    }
    environ = os.environ | (settings or {}) | ports
    options = ["--for-a-command", *(["--quick-start"] if quick else [])]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xapp.cli", "serve", *options],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process, which then ends the server.
            start_new_session=True,
        )
        try:
            yield OwnServer(process, grpc_port, http_port, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()
