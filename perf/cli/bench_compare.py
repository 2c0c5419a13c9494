"""`genai-xapp bench compare`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from perf.cli import shared_options
from perf.cli.compare_load_options import asked_of, load_options
from perf.cli.deliver_result import EXIT_PARTIAL, delivered
from perf.cli.given_models import here, models_option
from perf.cli.option_values import parsed, rounds_option, stoppable
from perf.cli.run_comparison import What, measured
from perf.compare.entrants import Echo, Entrant, LlamaServerPeer, NetworkSetup, OpenAi, Ours, PythonServerPeer
from perf.network.link_shape import Shape, parse_loss, parse_rate, parse_time
from perf.network.namespace import network
from perf.network.shell_commands import NetworkError
from perf.record.result_files import result_path
from perf.record.result_schema import Mode
from perf.round_loop import alone
from perf.targets.http_endpoint import HttpEndpoint
from xapp.config import load_settings

PEERS: dict[str, type[LlamaServerPeer] | type[PythonServerPeer]] = {
    "llama-server": LlamaServerPeer,
    "llama-cpp-python": PythonServerPeer,
}
EXIT_NOT_PERMITTED = 2


def _urls(_context: object, _option: object, urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        try:
            HttpEndpoint.parse(url)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return urls


@click.command()
@shared_options.target_option
@click.option(
    "--openai",
    "urls",
    metavar="URL",
    multiple=True,
    callback=_urls,
    help="An OpenAI-compatible server; may repeat.",
)
@click.option(
    "--peer",
    "peer_names",
    type=click.Choice(list(PEERS)),
    multiple=True,
    help="A server that `make peers` has made, started for the run; may repeat.",
)
@models_option
@load_options
@rounds_option
@click.option("--rtt", metavar="TIME", callback=parsed(parse_time), help="Round trip to the servers: 50ms.")
@click.option("--rate", metavar="RATE", callback=parsed(parse_rate), help="Each way: 10mbit.")
@click.option("--loss", metavar="SHARE", callback=parsed(parse_loss), help="Packets lost, each way: 1%.")
@shared_options.seed_option
@shared_options.out_option
@shared_options.json_option
def compare(  # noqa: PLR0917  one for each option
    target: str | None,
    urls: tuple[str, ...],
    peer_names: tuple[str, ...],
    models: tuple[str, ...],
    rounds: int,
    rtt: float | None,
    rate: float | None,
    loss: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """The same work on this server and its peers, in turns, as ratios.

    \b
      genai-xapp bench compare --peer llama-server --mixed
      genai-xapp bench compare --peer llama-server --solo 200,1500 --burst 4,8 --streams ''
      genai-xapp bench compare --target 192.0.2.7:50051 --openai http://192.0.2.7:8000
      genai-xapp bench compare --peer llama-server --rtt 50ms --rate 10mbit     (needs root)

    Every round plays each load on one target after the other, another one first each round. Ratios are
    ours ÷ the peer's, of paired rounds, with 95 % intervals: decode_ratio above 1 and ttft_ratio below 1
    say that ours is faster. Servers of the run start anew each round. Several models give a result file each.
    """  # noqa: D301  click reads \b as a backspace
    shape = Shape(rtt or 0.0, rate, loss or 0.0)
    enter = partial(_entrants, target, urls, peer_names, echo=given["echo"])
    enter("")  # who takes part is checked before files are read
    asked = asked_of(given)
    found = here(models)
    if len(found) > 1:
        _check_several(out, given_servers=bool(target or urls))
    lacks = False
    for model in found:
        path = result_path(Mode.COMPARE, model.given, out)
        with (
            shared_options.resumable(path),
            stoppable(),
            alone(),
            _network_setup(shape, target, urls) as (network_setup, how),
        ):
            shaped = [f"network shaped by {how}: {shape}"] if how else []
            what = What(
                model, enter(model.given), asked, rounds, seed, network_setup, str(shape or ""), shaped
            )
            lacks |= delivered(measured(what, path), path, as_json=as_json)
    if lacks:
        click.get_current_context().exit(EXIT_PARTIAL)


def _check_several(out: Path | None, *, given_servers: bool) -> None:
    if given_servers:
        raise click.UsageError("--target and --openai: a server that is given serves one model, so give one")
    if out is not None and not out.is_dir():
        raise click.UsageError("--out: with several models a folder that is there")


def _entrants(
    target: str | None, urls: tuple[str, ...], peer_names: tuple[str, ...], model: str, *, echo: bool
) -> list[Entrant]:
    entrants: list[Entrant] = [Ours(model, load_settings(os.environ).engine.batch_tokens, target)]
    entrants += map(OpenAi, urls)
    entrants += (PEERS[name]() for name in peer_names)
    entrants += [Echo()] if echo else []
    names = [each.name for each in entrants]
    if len(names) < 2:
        raise click.UsageError("nobody to compare with: give --openai URL, --peer NAME or --echo")
    if len(set(names)) < len(names):
        raise click.UsageError("a server is named twice")
    return entrants


@contextmanager
def _network_setup(
    shape: Shape, target: str | None, urls: tuple[str, ...]
) -> Iterator[tuple[NetworkSetup, str]]:
    """Loopback, or a shaped network; exit status 2 where that is not permitted."""
    if not shape:
        yield NetworkSetup(), ""
        return
    given = [*([target] if target else []), *(HttpEndpoint.parse(url).address for url in urls)]
    if inward := [each for each in given if each.startswith(("127.", "localhost", "[::1]"))]:
        raise click.UsageError(
            f"{inward[0]} is on loopback, which a shaped network does not reach: "
            "let the server listen on another address of this machine"
        )
    try:
        with network(shape) as made:
            yield NetworkSetup(made.host, made.prefix, made.traffic), made.how
    except NetworkError as error:
        click.echo(f"Error: no shaped network: {error}", err=True)
        click.get_current_context().exit(EXIT_NOT_PERMITTED)
