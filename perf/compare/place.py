"""Where a server is and where the clients run."""

import urllib.parse
from typing import Self

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """An HTTP server: `base` is the path before /v1, "" at its root."""

    host: str
    port: int
    base: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of http://HOST[:PORT][/PATH], with or without /v1 at the end. Raises ValueError."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is not of the form http://HOST:PORT (https is not measured)")
        base = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname, parts.port or 80, base)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, path: str) -> str:
        """The whole address of a path such as /v1/models."""
        return f"http://{self.address}{self.base}{path}"

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """A whole HTTP/1.1 request that asks for the connection's end after the answer."""
        head = (
            f"{method} {self.base}{path} HTTP/1.1\r\nHost: {self.address}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body
