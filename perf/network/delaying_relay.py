"""Delay, rate and loss between two TUN interfaces, packet by packet, for kernels that have no netem.

`python -m perf.network.delaying_relay NEAR FAR SHAPE` makes both interfaces here and greets; they are
gone with it. As in netem, a packet waits until the line is free, then travels for half the round trip;
what finds a full queue is dropped.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import threading
import time
from itertools import count

import msgspec

from perf import json_child
from perf.network.link_shape import Shape

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MAX_PACKET = 65536
_LIMIT_PACKETS = 1000
_IDLE_S = 1.0


def open_tun(name: str) -> int:
    """A descriptor that reads and writes whole IP packets. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Direction:
    """When a packet that comes now is through; None: it is lost. Times in seconds, one clock."""

    def __init__(self, shape: Shape, draw: random.Random) -> None:
        self._shape = shape
        self._draw = draw
        self._free_at = 0.0
        self.waiting = 0

    def due(self, now: float, size: int) -> float | None:
        """Counts it as waiting when it is not lost."""
        if self.waiting >= _LIMIT_PACKETS or self._draw.random() < self._shape.loss:
            return None
        self.waiting += 1
        sending = size * 8 / self._shape.rate if self._shape.rate else 0.0
        self._free_at = max(now, self._free_at) + sending
        return self._free_at + self._shape.rtt_s / 2


class Relay:
    """Moves packets between two descriptors until the process ends."""

    def __init__(self, near: int, far: int, shape: Shape) -> None:
        draw = random.Random(0)
        self._out = {near: far, far: near}
        self._directions = {each: Direction(shape, draw) for each in (near, far)}
        self._queue: list[tuple[float, int, int, bytes]] = []
        self._number = count()

    def run(self) -> None:
        """Does not return."""
        while True:
            wait = max(0.0, self._queue[0][0] - time.monotonic()) if self._queue else _IDLE_S
            for source in select.select(list(self._out), [], [], wait)[0]:
                self._take(source)
            self._deliver(time.monotonic())

    def _take(self, source: int) -> None:
        packet = os.read(source, _MAX_PACKET)
        due = self._directions[source].due(time.monotonic(), len(packet))
        if due is not None:
            heapq.heappush(self._queue, (due, next(self._number), source, packet))

    def _deliver(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, _, source, packet = heapq.heappop(self._queue)
            self._directions[source].waiting -= 1
            try:
                os.write(self._out[source], packet)
            except OSError:
                continue  # the interface is not up yet, or no more: a network loses what it cannot deliver


def main(args: list[str]) -> None:
    """Relays until standard input closes."""
    near, far, shape = args
    relay = Relay(open_tun(near), open_tun(far), msgspec.json.decode(shape, type=Shape))
    threading.Thread(target=relay.run, daemon=True).start()
    json_child.serve(lambda _: None)


if __name__ == "__main__":
    main(sys.argv[1:])
