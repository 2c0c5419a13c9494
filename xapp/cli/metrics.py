"""`genai-xapp metrics`: a node's load and speed, live or a line a sample."""

import asyncio
import sys
from collections.abc import Callable

import click
from google.protobuf.duration_pb2 import Duration as PbDuration
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from xapp.cli.count import Count
from xapp.cli.from_node import time_of_day
from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration, json_line, json_option
from xapp.cli.say import say
from xapp.inference.v1 import inference_pb2 as pb
from xapp.visible import visible

_MIB = 1024 * 1024


@click.command()
@node_options
@click.option(
    "--interval", type=Duration(), default="1s", show_default=True, help="Time between samples, 100ms to 1h."
)
@click.option("--count", type=Count(), help="End after this many samples. Default: Ctrl-C ends it.")
@json_option
def metrics(node: Node, interval: float, count: int | None, as_json: bool) -> None:
    """Watch a node: requests, tokens/s, latencies, KV cells, memory, CPU, temperature.

    On a terminal a table that renews itself; else one line a model and sample.
    """
    if as_json:
        asyncio.run(_watch(node, interval, count, lambda sample: say(json_line(sample))))
    elif sys.stdout.isatty():
        with Live(Text("waiting for the first sample"), auto_refresh=False) as live:
            asyncio.run(_watch(node, interval, count, lambda sample: live.update(view(sample), refresh=True)))
    else:
        asyncio.run(_watch(node, interval, count, lambda sample: say("\n".join(lines(sample)))))


async def _watch(
    node: Node, interval: float, count: int | None, show: Callable[[pb.MetricsResponse], None]
) -> None:
    async with node.client() as client:
        async for sample in client.metrics(interval_s=interval, count=count):
            show(sample)


def lines(sample: pb.MetricsResponse) -> list[str]:
    """A line for each model."""
    when = time_of_day(sample.timestamp)
    return [f"{when} {sample.node} {_line(model)} · {_host(sample.host)}" for model in sample.models]


def _line(model: pb.ModelMetrics) -> str:
    return (
        f"{model.model}: {model.num_running} running, {model.num_waiting} waiting"
        f" · {model.decode_tokens_per_second:.1f} tokens/s"
        f" · TTFT p50 {_ms(model.time_to_first_token, 'p50')}"
        f" · ITL p50 {_ms(model.inter_token_latency, 'p50')}"
        f" · KV {model.kv_cells_used}/{model.kv_cells_total}"
        f" · worker {model.worker_pss_bytes // _MIB} MiB, {model.worker_cpu_percent:.0f}% CPU"
        f" · text {model.text_pss_bytes // _MIB} MiB, {model.text_cpu_percent:.0f}% CPU,"
        f" {model.num_text_restarts} restarts"
    )


def _host(host: pb.HostMetrics) -> str:
    parts = [
        f"host CPU {host.cpu_percent:.0f}%",
        f"memory {host.memory_used_bytes // _MIB}/{host.memory_total_bytes // _MIB} MiB",
    ]
    if host.HasField("temperature_celsius"):
        parts.append(f"{host.temperature_celsius:.0f} °C")
    if host.HasField("throttled"):
        parts.append("throttled" if host.throttled else "not throttled")
    if host.HasField("throttles_in") and not host.throttled:
        parts.append(f"throttles in about {host.throttles_in.ToNanoseconds() / 1e9:.0f} s")
    if host.HasField("power_watts"):
        parts.append(f"{host.power_watts:.1f} W")
    if host.HasField("energy_per_token"):
        parts.append(f"{host.energy_per_token.gross_joules:.2g} J a token")
    return ", ".join(parts)


def view(sample: pb.MetricsResponse) -> Group:
    """The table for a terminal."""
    table = Table(
        "",
        title=f"{escape(visible(sample.node))} · {time_of_day(sample.timestamp)} UTC",
        title_justify="left",
    )
    for model in sample.models:
        table.add_column(escape(visible(model.model)), justify="right")
    for name, cell in _ROWS:
        table.add_row(name, *(cell(model) for model in sample.models))
    return Group(table, Text(_host(sample.host)), Text("Ctrl-C ends", style="dim"))


def print_view(sample: pb.MetricsResponse) -> None:
    """Prints the table once, to standard output."""
    Console(width=None if sys.stdout.isatty() else 100).print(view(sample).renderables[0])
    say(_host(sample.host))


def _ms(percentiles: pb.Percentiles, name: str) -> str:
    if not percentiles.HasField(name):  # type: ignore[arg-type]
        return "–"
    value: PbDuration = getattr(percentiles, name)
    return f"{value.ToNanoseconds() / 1e6:.1f} ms"


def _three(percentiles: pb.Percentiles) -> str:
    return " / ".join(_ms(percentiles, name).removesuffix(" ms") for name in ("p50", "p95", "p99"))


_ROWS: list[tuple[str, Callable[[pb.ModelMetrics], str]]] = [
    ("running / waiting", lambda m: f"{m.num_running} / {m.num_waiting}"),
    ("decode, tokens/s", lambda m: f"{m.decode_tokens_per_second:.1f}"),
    ("prefill, tokens/s", lambda m: f"{m.prefill_tokens_per_second:.1f}"),
    ("TTFT p50 / p95 / p99, ms", lambda m: _three(m.time_to_first_token)),
    ("ITL p50 / p95 / p99, ms", lambda m: _three(m.inter_token_latency)),
    ("KV cells used / total", lambda m: f"{m.kv_cells_used} / {m.kv_cells_total}"),
    ("worker PSS / RSS, MiB", lambda m: f"{m.worker_pss_bytes // _MIB} / {m.worker_rss_bytes // _MIB}"),
    ("worker CPU, % of a core", lambda m: f"{m.worker_cpu_percent:.0f}"),
    ("text PSS / RSS, MiB", lambda m: f"{m.text_pss_bytes // _MIB} / {m.text_rss_bytes // _MIB}"),
    ("text CPU, % of a core", lambda m: f"{m.text_cpu_percent:.0f}"),
    ("text restarts", lambda m: f"{m.num_text_restarts}"),
]
