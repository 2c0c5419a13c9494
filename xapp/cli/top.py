"""`genai-xapp top`: several nodes at once, a row for each node and model."""

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import click
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from xapp.cli.count import Count
from xapp.cli.metrics import lines
from xapp.cli.node import Node, nodes_options
from xapp.cli.options import Duration
from xapp.cli.say import say
from xapp.client import ClientError
from xapp.hosts import host_port
from xapp.inference.v1 import inference_pb2 as pb
from xapp.visible import visible

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 24
_MIB = 1024 * 1024
_HEADINGS = (
    "NODE",
    "MODEL",
    "RUN",
    "WAIT",
    "TOKENS/S",
    "",
    "TTFT p50",
    "GAP p50",
    "KV",
    "CPU",
    "MEMORY",
    "°C",
    "W",
)


@dataclass(slots=True)
class Watched:
    """A node, its last sample and the decode rates before, or what is wrong with the node."""

    node: Node
    sample: pb.MetricsResponse | None = None
    trouble: str = "connecting"
    rates: dict[str, "deque[float]"] = field(default_factory=dict)

    def take(self, sample: pb.MetricsResponse) -> None:
        """The next sample."""
        self.sample, self.trouble = sample, ""
        for model in sample.models:
            rates = self.rates.setdefault(model.model, deque(maxlen=_HISTORY))
            rates.append(model.decode_tokens_per_second)


@click.command()
@nodes_options
@click.option(
    "--interval", type=Duration(), default="1s", show_default=True, help="Time between samples, 100ms to 1h."
)
@click.option(
    "--count",
    type=Count(),
    help="End after this many samples of each. Default: Ctrl-C ends it.",
)
def top(nodes: Sequence[Node], interval: float, count: int | None) -> None:
    """Watch several nodes: --target for each, or a DNS name with several addresses.

    On a terminal a table that renews itself, a row for each node and model; else a line a model and sample. A
    node that is away keeps its row, with the reason, and is asked again. "!" behind °C: its board throttles.

    \b
      genai-xapp top --target pi-1:50051 --target pi-2:50051
      genai-xapp top --target genai-xapp-nodes.ricxapp:50051
    """  # noqa: D301  click reads \b as a backspace
    watched = [Watched(each) for node in nodes for each in spread(node)]
    if sys.stdout.isatty():
        with Live(table(watched), auto_refresh=False) as live:
            asyncio.run(_watch(watched, interval, count, lambda _: live.update(table(watched), refresh=True)))
    else:
        asyncio.run(_watch(watched, interval, count, _say_lines))


def spread(node: Node) -> Iterator[Node]:
    """A node for each address of `HOST:PORT`; the node itself where it has a scheme or a single address.

    With TLS the certificate is compared with the name and not with the address.
    """
    host, _, port = node.target.rpartition(":")
    if "/" in node.target or not port.isdecimal() or not host:
        yield node
        return
    addresses = _addresses(host)
    if len(addresses) < 2:
        yield node
        return
    for address in addresses:
        yield replace(node, target=host_port(address, int(port)), server_name=host)


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []  # the connection says what is wrong
    return sorted({str(each[4][0]) for each in found})


async def _watch(
    watched: Sequence[Watched], interval: float, count: int | None, show: Callable[[Watched], None]
) -> None:
    async with asyncio.TaskGroup() as group:
        for each in watched:
            group.create_task(_follow(each, interval, count, show))


async def _follow(
    watched: Watched, interval: float, count: int | None, show: Callable[[Watched], None]
) -> None:
    """A lost node is asked again after `interval`. With `count` each attempt counts as a sample."""
    left = count
    async with watched.node.client() as client:
        while left is None or left > 0:
            try:
                async with aclosing(client.metrics(interval_s=interval, count=left)) as samples:
                    async for sample in samples:
                        left = None if left is None else left - 1
                        watched.take(sample)
                        show(watched)
            except ClientError as error:
                left = None if left is None else left - 1
                watched.trouble = str(error)
                show(watched)
                if left != 0:
                    await asyncio.sleep(interval)


def _say_lines(watched: Watched) -> None:
    if watched.trouble or watched.sample is None:
        say(f"{watched.node.target} {watched.trouble}")
    else:
        say("\n".join(f"{watched.node.target} {line}" for line in lines(watched.sample)))


def table(watched: Sequence[Watched]) -> Table:
    """What a terminal shows."""
    result = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        result.add_column(
            heading, justify="left" if heading in {"NODE", "MODEL", ""} else "right", no_wrap=True
        )
    for each in watched:
        for row in _rows(each):
            result.add_row(*(escape(visible(cell)) for cell in row))
    return result


def _rows(watched: Watched) -> Iterator[tuple[str, ...]]:
    target = watched.node.target
    if watched.trouble or watched.sample is None:
        yield (target, watched.trouble)
        return
    host = watched.sample.host
    heat = f"{host.temperature_celsius:.0f}" if host.HasField("temperature_celsius") else ""
    heat += "!" if host.throttled else ""
    watts = f"{host.power_watts:.1f}" if host.HasField("power_watts") else ""
    for model in watched.sample.models:
        yield (
            target,
            model.model,
            str(model.num_running),
            str(model.num_waiting),
            f"{model.decode_tokens_per_second:.1f}",
            sparkline(watched.rates[model.model]),
            _ms(model.time_to_first_token),
            _ms(model.inter_token_latency),
            _share(model.kv_cells_used, model.kv_cells_total),
            f"{host.cpu_percent:.0f}%",
            f"{host.memory_used_bytes // _MIB} MiB",
            heat,
            watts,
        )


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, between 0 and the largest of them."""
    top_value = max(values, default=0.0)
    if top_value <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / top_value * len(_BARS)))] for value in values)


def _ms(percentiles: pb.Percentiles) -> str:
    return f"{percentiles.p50.ToNanoseconds() / 1e6:.0f} ms" if percentiles.HasField("p50") else "–"


def _share(used: int, total: int) -> str:
    return f"{used / total:.0%}" if total else "–"
