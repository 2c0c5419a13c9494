"""The loads of `genai-xapp bench compare` as options."""

from typing import Any

import click

from perf.cli.option_values import all_of, parsed, prompt_lengths, stream_counts, streams_option
from perf.compare.compare_loads import STAGGERED, Asked
from xapp.cli.options import Duration

_OPTIONS = (
    streams_option("Steady decoding with so many streams of about 400 cells; '' for none."),
    click.option(
        "--solo",
        metavar="200,1500",
        callback=parsed(prompt_lengths),
        help="One caller, prompts of so many tokens.",
    ),
    click.option(
        "--burst", metavar="4,8", callback=parsed(stream_counts), help="So many callers at the same moment."
    ),
    click.option("--staggered", is_flag=True, help="Callers who come one by one."),
    click.option(
        "--staggered-count",
        type=click.IntRange(2, 99),
        default=STAGGERED[0],
        show_default=True,
        metavar="N",
        help="How many.",
    ),
    click.option(
        "--staggered-interval",
        type=Duration(),
        default=f"{STAGGERED[1]:g}s",
        show_default=True,
        metavar="TIME",
        help="From one to the next.",
    ),
    click.option("--mixed", is_flag=True, help="A 1,500-token prompt arrives while 3 streams run."),
    click.option("--shared-prefix", is_flag=True, help="4 callers at once share a 450-token system prompt."),
    click.option(
        "--echo", is_flag=True, help="gRPC without a model at our pace: what of our CPU time is its own."
    ),
)


load_options = all_of(_OPTIONS)


def asked_of(given: dict[str, Any]) -> Asked:
    """Raises UsageError when there is nothing to play."""
    callers = (given["staggered_count"], given["staggered_interval"])
    asked = Asked(
        streams=given["streams"],
        solo=given["solo"] or [],
        burst=given["burst"] or [],
        staggered=callers if given["staggered"] else None,
        mixed=given["mixed"],
        shared_prefix=given["shared_prefix"],
    )
    if not asked.loads():
        raise click.UsageError(
            "nothing to do: give --streams, --solo, --burst, --staggered, --mixed or --shared-prefix"
        )
    return asked
