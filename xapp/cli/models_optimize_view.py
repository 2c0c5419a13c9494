"""What `models optimize` shows: a table for people, a document for scripts. Needs the server extra."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from xapp.backend.optimize.figures import STREAMS, Loss, Measured
from xapp.backend.optimize.run import Outcome, Wish, Written
from xapp.cli.models_view import NO_COLOUR_WIDTH, size_text


def show(outcome: Outcome, wish: Wish) -> None:
    """On standard output; what could not be made or measured goes to standard error."""
    console = Console(width=None if sys.stdout.isatty() else NO_COLOUR_WIDTH)
    console.print(table(outcome))
    for each in outcome.measured:
        if each.fault:
            click.echo(f"{each.format}: {each.fault}", err=True)
    click.echo(verdict(outcome, wish))


def table(outcome: Outcome) -> Table:
    """A row for each format that was measured, the source first."""
    caption = f"{outcome.source.name} on {outcome.threads} threads; tokens a second; LOSS: perplexity, ± 95 %"
    result = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    result.add_column("FORMAT", no_wrap=True)
    decode = [f"DECODE {count}" for count in STREAMS]
    for heading in ("SIZE", "PREFILL", *decode, "RAM", "LOSS", "SAME TOKEN"):
        result.add_column(heading, justify="right", no_wrap=True)
    for each in outcome.measured:
        if each.complete:
            result.add_row(*_cells(each))
    return result


def _cells(each: Measured) -> list[str]:
    assert each.loss is not None
    return [
        each.format,
        size_text(each.size_bytes),
        f"{each.prefill:.0f}",
        *(f"{each.decode(count):.0f}" for count in STREAMS),
        size_text(each.peak_bytes),
        _loss_text(each.loss),
        f"{each.loss.agreement:.1%}",
    ]


def _loss_text(loss: Loss) -> str:
    return f"{loss.worse:+.1%} ± {loss.margin:.1%}" if loss.margin else "0 (reference)"


def verdict(outcome: Outcome, wish: Wish) -> str:
    """One sentence on which format to take."""
    source = outcome.measured[0]
    limit = f"loses at most {wish.max_loss * 100:g} %"
    found = next((each for each in outcome.measured[1:] if each.format == outcome.best), None)
    if found is None:
        return f"best: the source; no format that {limit} is clearly faster"
    gain = source.typical_s / found.typical_s
    return f"best: {found.format}, {gain:.2f} times as fast as the source for 4 callers; it {limit}"


def as_document(outcome: Outcome, wish: Wish) -> dict[str, Any]:
    """Bytes, tokens a second, percent; null for what is not known."""
    source = outcome.source
    return {
        "model": source.name,
        "path": str(source.path),
        "digest": outcome.digest,
        "threads": outcome.threads,
        "rounds": wish.rounds,
        "max_loss_percent": wish.max_loss * 100,
        "formats": [_format_json(each, index == 0) for index, each in enumerate(outcome.measured)],
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
        "was_there": written.was_there,
    }
