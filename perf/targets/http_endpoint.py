"""The address of an HTTP server, and the bytes of a request to it."""

import urllib.parse
from collections.abc import Mapping
from typing import Self

import msgspec

_PORTS = {"http": 80, "https": 443}


class HttpEndpoint(msgspec.Struct, frozen=True):
    """A server of HTTP/1.1. `base` is the path before /v1, "" at its root."""

    host: str
    port: int
    base: str = ""
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of http[s]://HOST[:PORT][/PATH], with or without /v1 at the end. Raises ValueError."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is not of the form http://HOST:PORT")
        base = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], base, parts.scheme == "https")

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address, without /v1."""
        return f"{'https' if self.tls else 'http'}://{self.address}{self.base}"

    def request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, keep: bool
    ) -> bytes:
        """A whole request. Without `keep` it asks for the connection's end after the answer."""
        lines = [
            f"{method} {self.base}{path} HTTP/1.1",
            f"Host: {self.address}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
            *([] if keep else ["Connection: close"]),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body
