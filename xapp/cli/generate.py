"""`genai-xapp generate`: one answer, streamed to standard output."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from xapp.cli.count import Count
from xapp.cli.format import format_options, output_format
from xapp.cli.node import Node, node_options
from xapp.cli.options import (
    deterministic_option,
    gap_option,
    json_line,
    json_option,
    model_option,
    priority_of,
    read_input,
    strategy_of,
    strategy_option,
    system_option,
    waiting_options,
)
from xapp.cli.passages import Sources, passage_options, retrieval_of, taken
from xapp.cli.record import Recorder, record_option
from xapp.cli.say import say, shown
from xapp.cli.stream_watch import Watch
from xapp.client import duration
from xapp.inference.v1 import inference_pb2 as pb


@click.command()
@click.argument("prompt", required=False)
@node_options
@model_option
@click.option(
    "--chat/--raw",
    default=True,
    help="Apply the model's chat template (default), or continue the text as it is.",
)
@system_option
@click.option("--max-tokens", type=Count(), help="Most tokens to generate. Default: the server's limit.")
@click.option("--temperature", type=float, help="0 (default) is greedy; higher is more varied.")
@click.option("--top-k", type=Count(0), help="Keep the k most likely tokens; 0 keeps all.")
@click.option("--top-p", type=float, help="Keep tokens of this total probability.")
@click.option("--min-p", type=float, help="Drop tokens less likely than this share of the likeliest.")
@click.option("--repeat-penalty", type=float, help="Above 1 discourages repetition.")
@click.option("--presence-penalty", type=float, help="Above 0 discourages what the answer has already.")
@click.option("--frequency-penalty", type=float, help="Likewise, each time that the answer has it.")
@click.option("--seed", type=int, help="The same seed and request give the same answer.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Ends the answer where it comes. Repeatable.")
@click.option("--ignore-eos", is_flag=True, help="Go on past the model's end, for benchmarks.")
@waiting_options
@gap_option
@deterministic_option
@strategy_option
@click.option(
    "--routing",
    type=click.Choice(["local", "upstream", "auto"]),
    help="Who answers: the node, its upstream, or either by difficulty. Default: the node's setting.",
)
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="With --routing auto: harder requests go upstream."
)
@click.option(
    "--best-effort", is_flag=True, help="At the deadline cut the answer, rather than refuse or fail."
)
@format_options
@passage_options
@click.option("--client-id", default="", help="The name by which the node's quotas know this client.")
@record_option
@json_option
@click.option("--stats", is_flag=True, help="Time to first token and tokens/s, on standard error.")
def generate(
    prompt: str | None,
    node: Node,
    *,
    model: str,
    chat: bool,
    system_text: str | None,
    deadline: float | None,
    max_token_gap: float | None,
    deterministic: bool | None,
    strategy: str | None,
    routing: str | None,
    threshold: float | None,
    best_effort: bool,
    json_schema: str | None,
    grammar: str | None,
    choices: tuple[str, ...],
    collection: str,
    client_id: str,
    record: Path | None,
    as_json: bool,
    stats: bool,
    max_tokens: int | None,
    stop: tuple[str, ...],
    ignore_eos: bool,
    priority: str,
    correlation_id: str,
    **others: Any,
) -> None:
    """Stream the answer to PROMPT (- or nothing: read it from standard input).

    \b
      genai-xapp generate "What is O-RAN?" --stats
      genai-xapp generate --system "Answer in one word." "Is 7 prime?"
      git diff | genai-xapp generate - --raw --max-tokens 64 --deadline 30s
      genai-xapp generate "Is 7 prime?" --choices yes,no
      genai-xapp generate "How does the node register?" --collection docs
      genai-xapp generate "Describe a cell." --json-schema cell.schema.json
      genai-xapp generate --json "Hello" | jq -r '.chunk.text // empty'

    Exit code 0: answered. 1: an error, said as `code: message`. 130: Ctrl-C, which cancels the request.
    """  # noqa: D301  click reads \b as a backspace
    asked = read_input(prompt, system_text, chat=chat)
    retrieval, sampling = retrieval_of(collection, taken(others)), others
    request = pb.GenerateRequest(
        model=model,
        max_tokens=max_tokens,
        stop=stop,
        ignore_eos=ignore_eos,
        priority=priority_of(priority),
        correlation_id=correlation_id,
        deadline_policy=pb.DEADLINE_POLICY_BEST_EFFORT if best_effort else pb.DEADLINE_POLICY_UNSPECIFIED,
        sampling=_sampling(sampling),
        format=output_format(json_schema, grammar, choices),
        max_token_gap=duration(max_token_gap),
        deterministic=record is not None if deterministic is None else deterministic,
        strategy=strategy_of(strategy),
        routing=_routing(routing, threshold),
        retrieval=retrieval,
        **asked,
    )
    recorder = Recorder(request)
    watch = asyncio.run(_stream(node, client_id, request, deadline, recorder, as_json=as_json))
    if record is not None:
        recorder.record.write(record)
    if stats:
        say(watch.summary(), err=True)


def _routing(mode: str | None, threshold: float | None) -> pb.Routing | None:
    if mode is None and threshold is None:
        return None
    return pb.Routing(
        mode=pb.RoutingMode.Value(f"ROUTING_MODE_{(mode or 'auto').upper()}"), threshold=threshold
    )


def _sampling(values: dict[str, Any]) -> pb.SamplingParams | None:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return pb.SamplingParams(**given) if given else None
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"{', '.join(given)}: {error}") from error


async def _stream(
    node: Node,
    client_id: str,
    request: pb.GenerateRequest,
    deadline: float | None,
    recorder: Recorder,
    *,
    as_json: bool,
) -> Watch:
    write, flush = sys.stdout.write, sys.stdout.flush
    watch, sources, ended = Watch(), Sources(), True
    async with node.client(client_id) as client:
        try:
            async with aclosing(client.generate_request(request, deadline_s=deadline)) as events:
                async for event in events:
                    watch.follow(event)
                    recorder.follow(event)
                    sources.follow(event)
                    if as_json:
                        write(json_line(event) + "\n")
                    elif event.HasField("chunk"):
                        ended = event.chunk.text.endswith("\n")
                        write(shown(event.chunk.text))
                    flush()
        finally:
            if not ended:
                write("\n")
                flush()
    if not as_json:
        for line in sources.lines():
            say(line, err=True)
    return watch
