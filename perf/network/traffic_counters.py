"""Bytes on the wire, as an interface of this machine counts them: whole packets, headers included."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

_NET = Path("/sys/class/net")


class Traffic(msgspec.Struct, frozen=True):
    """From the clients' side: `sent` went to the servers, `received` came from them."""

    sent: int
    received: int

    def __sub__(self, before: "Traffic") -> "Traffic":
        return Traffic(self.sent - before.sent, self.received - before.received)


Counter: TypeAlias = Callable[[], Traffic]


def of_server_side(interface: str) -> Traffic:
    """What it has counted so far: what it received, the clients sent. Raises OSError when it is gone."""
    folder = _NET / interface / "statistics"
    return Traffic(_read(folder / "rx_bytes"), _read(folder / "tx_bytes"))


def _read(path: Path) -> int:
    return int(path.read_text())
