"""`genai-xapp bench compare`."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from perf.cli import options
from perf.cli.outcome import deliver
from perf.cli.values import model_option, parsed, rounds_option, stoppable, streams_option
from perf.compare.entrants import Entrant, LlamaServerPeer, OpenAi, Ours, Place, PythonServerPeer
from perf.compare.loads import loads
from perf.compare.place import Endpoint
from perf.compare.result import About, result_of
from perf.compare.run import Outcome, Plan, Run
from perf.machine import describe
from perf.network.commands import NetworkError
from perf.network.namespace import network
from perf.network.shape import Shape, parse_loss, parse_rate, parse_time
from perf.peers.paths import ROOT
from perf.record.journal import Journal
from perf.record.schema import Mode
from perf.record.store import result_path
from perf.rounds import alone
from xapp.config import Settings, load_settings
from xapp.models.parts import model_digest
from xapp.models.store import resolve

PEERS: dict[str, type[LlamaServerPeer] | type[PythonServerPeer]] = {
    "llama-server": LlamaServerPeer,
    "llama-cpp-python": PythonServerPeer,
}
EXIT_NOT_PERMITTED = 2


def _urls(_context: object, _option: object, urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        try:
            Endpoint.parse(url)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return urls


@click.command()
@options.target_option
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
@model_option
@streams_option("Steady decoding with so many streams; '' for none.")
@click.option("--mixed", is_flag=True, help="A 1,500-token prompt arrives while 3 streams run.")
@click.option("--shared-prefix", is_flag=True, help="4 callers at once share a 450-token system prompt.")
@rounds_option
@click.option("--rtt", metavar="TIME", callback=parsed(parse_time), help="Round trip to the servers: 50ms.")
@click.option("--rate", metavar="RATE", callback=parsed(parse_rate), help="Each way: 10mbit.")
@click.option("--loss", metavar="SHARE", callback=parsed(parse_loss), help="Packets lost, each way: 1%.")
@options.seed_option
@options.out_option
@options.json_option
def compare(
    *,
    target: str | None,
    urls: tuple[str, ...],
    peer_names: tuple[str, ...],
    model: str,
    streams: list[int],
    mixed: bool,
    shared_prefix: bool,
    rounds: int,
    rtt: float | None,
    rate: float | None,
    loss: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """The same work on this server and its peers, in turns, as ratios.

    \b
      genai-xapp bench compare --peer llama-server --mixed
      genai-xapp bench compare --target 192.0.2.7:50051 --openai http://192.0.2.7:8000
      genai-xapp bench compare --peer llama-server --rtt 50ms --rate 10mbit     (needs root)

    Every round plays each load on one target after the other, another one first each round. Ratios are
    ours ÷ the peer's, of paired rounds, with 95 % intervals: decode_ratio above 1 and ttft_ratio below 1
    say that ours is faster. Servers of the run start anew each round.
    """  # noqa: D301  click reads \b as a backspace
    settings = load_settings(os.environ, {"model": model})
    file = resolve(settings.model, Path(settings.models_dir))
    entrants = _entrants(settings, target, urls, peer_names)
    work = loads(streams, mixed=mixed, shared_prefix=shared_prefix)
    if not work:
        raise click.UsageError("nothing to do: give --streams, --mixed or --shared-prefix")
    shape = Shape(rtt or 0.0, rate, loss or 0.0)
    path = result_path(Mode.COMPARE, settings.model, out)
    told = {
        "model": file.name,
        "targets": [each.name for each in entrants],
        "streams": streams,
        "mixed": mixed,
        "shared_prefix": shared_prefix,
        "rounds": rounds,
        "network": str(shape) if shape else "not shaped",
    }
    digest = model_digest(file.path)
    fingerprint = {"mode": Mode.COMPARE, "digest": digest, "seed": seed, **told}
    with options.resumable(path), stoppable(), alone(), _place(shape, target, urls) as (place, how):
        plan = Plan(entrants, work, rounds, seed, file.path, place)
        machine, started = describe(ROOT), time.monotonic()
        with Journal.open(path, fingerprint=fingerprint) as journal:
            outcome = _played(plan, journal)
        shaped = [f"network shaped by {how}: {shape}"] if how else []
        about = About(machine, told, time.monotonic() - started, shaped)
        deliver(result_of(plan, outcome, about), path, as_json=as_json)


def _entrants(
    settings: Settings, target: str | None, urls: tuple[str, ...], peer_names: tuple[str, ...]
) -> list[Entrant]:
    entrants: list[Entrant] = [Ours(settings.model, settings.engine.batch_tokens, target)]
    entrants += map(OpenAi, urls)
    entrants += (PEERS[name]() for name in peer_names)
    names = [each.name for each in entrants]
    if len(names) < 2:
        raise click.UsageError("nobody to compare with: give --openai URL or --peer NAME")
    if len(set(names)) < len(names):
        raise click.UsageError("a server is named twice")
    return entrants


@contextmanager
def _place(shape: Shape, target: str | None, urls: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    """Loopback, or a shaped network; exit status 2 where that is not permitted."""
    if not shape:
        yield Place(), ""
        return
    given = [*([target] if target else []), *(Endpoint.parse(url).address for url in urls)]
    if inward := [each for each in given if each.startswith(("127.", "localhost", "[::1]"))]:
        raise click.UsageError(
            f"{inward[0]} is on loopback, which a shaped network does not reach: "
            "let the server listen on another address of this machine"
        )
    try:
        with network(shape) as made:
            yield Place(made.host, made.prefix, made.traffic), made.how
    except NetworkError as error:
        click.echo(f"Error: no shaped network: {error}", err=True)
        click.get_current_context().exit(EXIT_NOT_PERMITTED)


def _played(plan: Plan, journal: Journal) -> Outcome:
    done = len(journal.samples)
    with options.progress(options.console(), plan.total, "round 1", done=done) as advance:
        return Run(plan, journal, advance).play()
