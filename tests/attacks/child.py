"""One attack, from a process of its own: python -m tests.attacks.child NAME GRPC_PORT HTTP_PORT SECONDS

So what the attack computes is not in the way of who measures. Prints how often it came to an end.
"""

import asyncio
import resource
import sys

from tests.attacks import calls, frames, wire
from tests.attacks.attack import ATTACKS, Place

__all__ = ["ATTACKS", "calls", "frames", "wire"]


def main() -> None:
    """See the module."""
    name, grpc_port, http_port, seconds = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    place = Place(("127.0.0.1", int(grpc_port)), ("127.0.0.1", int(http_port)))
    print(asyncio.run(ATTACKS[name].run(place, float(seconds))))


if __name__ == "__main__":
    main()
