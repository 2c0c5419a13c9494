"""Attacks, from a process of its own: python -m tests.attacks.child PORTS: gRPC, HTTP, OpenAI

So what an attack computes is not in the way of the process that measures. Each line "NAME SECONDS" of
standard input begins an attack. The answer is a line: how often the attack came to an end, or "failed". Each
attack runs in a fork, so that it leaves no connection behind, and imports nothing again.
"""

import asyncio
import os
import resource
import sys
import traceback
from typing import NoReturn

from tests.attacks import calls, frames, gateway, wire
from tests.attacks.attack import ATTACKS, Place

__all__ = ["ATTACKS", "FAILED", "calls", "frames", "gateway", "wire"]

FAILED = "failed"


def _attack(place: Place, name: str, seconds: float, out: int) -> NoReturn:
    """Runs in the fork."""
    try:
        os.write(out, str(asyncio.run(ATTACKS[name].run(place, seconds))).encode())
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)


def _outcome(place: Place, name: str, seconds: float) -> str:
    read_end, write_end = os.pipe()
    if (pid := os.fork()) == 0:
        _attack(place, name, seconds, write_end)
    os.close(write_end)
    with open(read_end) as pipe:  # noqa: PTH123  a file descriptor
        said = pipe.read()
    os.waitpid(pid, 0)
    return said or FAILED


def main() -> None:
    """See the module."""
    ports = map(int, sys.argv[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    place = Place(*(("127.0.0.1", port) for port in ports))
    for line in sys.stdin:
        name, seconds = line.split()
        print(_outcome(place, name, float(seconds)), flush=True)


if __name__ == "__main__":
    main()
