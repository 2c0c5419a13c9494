"""Helpers as processes, here or in a network namespace."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from perf.process_under_test import HOST, Server
from perf.server_processes import LOGS

FIRST_PORT = 50152


class HelperProcess(Server):
    """`genai-xapp rpc-serve`; `address` is HOST:PORT."""

    def __init__(self, host: str, port: int, prefix: Sequence[str] = ()) -> None:
        self.address = f"{host}:{port}"
        serve = [sys.executable, "-m", "xapp.cli", "rpc-serve", "--host", host, "--port", str(port)]
        # In a network namespace the address is not of loopback.
        super().__init__([*prefix, *serve], {"XAPP_INSECURE": "true"}, LOGS / f"rpc-serve-{port}.log")


@contextmanager
def helpers(number: int, host: str = HOST, prefix: Sequence[str] = ()) -> Iterator[str]:
    """So many helpers that listen, as XAPP_RPC_HOSTS names them."""
    with ExitStack() as held:
        made = [HelperProcess(host, FIRST_PORT + each, prefix) for each in range(number)]
        for each in made:
            held.callback(each.close)
        for each in made:
            each.wait_for_port(each.address)
        yield ",".join(each.address for each in made)
