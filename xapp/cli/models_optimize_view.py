"""The output of `models optimize`: a table for people, a document for scripts. Needs the server extra."""

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from xapp.backend.optimize.figures import STREAMS, Measured, changes
from xapp.backend.optimize.run import Outcome, Wish, Written
from xapp.cli.models_view import NO_COLOUR_WIDTH
from xapp.cli.say import say
from xapp.cli.sizes import size_text

REFERENCE = "0 (reference)"
UNSTEADY = 0.25
"""A larger difference between rounds is noted."""


def show(outcome: Outcome, wish: Wish) -> None:
    """Prints to standard output. Formats that could not be made or measured go to standard error."""
    console = Console(width=None if sys.stdout.isatty() else NO_COLOUR_WIDTH)
    console.print(table(outcome))
    for each in outcome.measured:
        if each.fault:
            say(f"{each.format}: {each.fault}", err=True)
    for note in notes(outcome):
        say(f"Note: {note}", err=True)
    say(verdict(outcome, wish))


def table(outcome: Outcome) -> Table:
    """A row for each format that was measured, the source first."""
    caption = f"{outcome.source.name} on {outcome.threads} threads; tokens a second; LOSS: perplexity, ± 95 %"
    result = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    result.add_column("FORMAT", no_wrap=True)
    decode = [f"DECODE {count}" for count in STREAMS]
    for heading in ("SIZE", "PREFILL", *decode, "RAM", "LOSS", "SAME TOKEN"):
        result.add_column(heading, justify="right", no_wrap=True)
    source = outcome.measured[0]
    if source.right:
        result.add_column("WINOGRANDE", justify="right", no_wrap=True)
    for each in outcome.measured:
        if each.complete:
            result.add_row(*_cells(each, source))
    return result


def notes(outcome: Outcome) -> Iterator[str]:
    """Notes for the reader of the table."""
    source = outcome.measured[0]
    if outcome.source_is_rounded:
        form = source.format.removesuffix(" (source)")
        yield (
            f"the source is {form}: what that rounding lost does not come back, so no copy is better than the"
            " source. A perplexity below the source's is chance. Where there is a file of F16 or BF16, start"
            " from that."
        )
    if (most := max(each.unsteadiness for each in outcome.measured)) > UNSTEADY:
        yield (
            f"a speed differs by {most:.0%} between rounds: something else runs here; measure on an idle node"
        )


def _cells(each: Measured, source: Measured) -> list[str]:
    assert each.loss is not None
    return [
        each.format,
        size_text(each.size_bytes),
        f"{each.prefill:.0f}",
        *(f"{each.decode(count):.0f}" for count in STREAMS),
        size_text(each.peak_bytes),
        REFERENCE if each is source else f"{each.loss.worse:+.1%} ± {each.loss.margin:.1%}",
        f"{each.loss.agreement:.1%}",
        *([_right_text(each, source)] if source.right else []),
    ]


def _right_text(each: Measured, source: Measured) -> str:
    """The number of right answers, and of the lost and won ones."""
    lost, won = changes(each, source)
    changed = "" if each is source else f" (-{lost} +{won})"
    return f"{sum(each.right)}/{len(each.right)}{changed}"


def verdict(outcome: Outcome, wish: Wish) -> str:
    """The recommended format in one sentence."""
    source = outcome.measured[0]
    limit = f"loses at most {wish.max_loss * 100:g} %"
    found = next((each for each in outcome.measured[1:] if each.format == outcome.best), None)
    if found is None:
        return f"best: the source; no format that {limit} is clearly faster"
    gain = source.typical_s / found.typical_s
    return f"best: {found.format}, {gain:.2f} times as fast as the source for 4 callers; it {limit}"


def as_document(outcome: Outcome, wish: Wish) -> dict[str, Any]:
    """The figures: bytes, tokens a second, percent; null for unknown."""
    source = outcome.source
    return {
        "model": source.name,
        "path": str(source.path),
        "digest": outcome.digest,
        "threads": outcome.threads,
        "rounds": wish.rounds,
        "max_loss_percent": wish.max_loss * 100,
        "formats": [_format_json(each, index == 0) for index, each in enumerate(outcome.measured)],
        "source_is_rounded": outcome.source_is_rounded,
        "best": outcome.best or None,
        "written": _written_json(outcome.written) if outcome.written else None,
    }


def _format_json(each: Measured, is_source: bool) -> dict[str, Any]:
    facts = {
        "format": each.format.removesuffix(" (source)"),
        "is_source": is_source,
        "size_bytes": each.size_bytes or None,
        "error": each.fault or None,
    }
    return facts | (_figures_json(each) if each.complete else {})


def _figures_json(each: Measured) -> dict[str, Any]:
    loss = each.loss
    assert loss is not None
    return {
        "prefill_tokens_per_s": each.prefill,
        "decode_tokens_per_s": {str(count): each.decode(count) for count in STREAMS},
        "peak_memory_bytes": each.peak_bytes,
        "typical_s": each.typical_s,
        "perplexity": loss.perplexity,
        "loss_percent": loss.worse * 100,
        "loss_margin_percent": loss.margin * 100,
        "same_token_percent": loss.agreement * 100,
        "winogrande_right": sum(each.right) if each.right else None,
        "winogrande_items": len(each.right) or None,
        "samples": [
            {"prefill_tokens_per_s": one.prefill, "decode_tokens_per_s": one.decode} for one in each.rounds
        ],
    }


def _written_json(written: Written) -> dict[str, Any]:
    return {
        "name": written.model.name,
        "path": str(written.model.path),
        "digest": written.record.digest,
        "size_bytes": written.record.size,
        "source": written.record.source,
        "origin": written.record.origin,
        "format": written.record.format,
        "tool": written.record.tool,
        "was_there": written.was_there,
    }
