"""The output of `models` for people."""

from rich.markup import escape
from rich.table import Table

from xapp.cli.models_rows import Row, params_text
from xapp.cli.sizes import size_text
from xapp.models.catalogue import KvType
from xapp.visible import visible

NO_COLOUR_WIDTH = 160
"""The width without a terminal: no column is cut."""


def table(shown: list[Row], context: int, kv_type: KvType) -> Table:
    """The table for people. Its caption explains RAM."""
    caption = (
        f"RAM: weights and a KV cache of {context:,} tokens ({kv_type.value}), fewer if the model ends before"
    )
    result = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    for heading in ("NAME", "KIND", "PARAMS"):
        result.add_column(heading, no_wrap=True)
    for heading in ("SIZE", "CONTEXT", "RAM"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("LICENCE")
    result.add_column("FILE", no_wrap=True)
    for row in shown:
        result.add_row(*(escape(visible(cell)) for cell in _cells(row)))
    return result


def _cells(row: Row) -> list[str]:
    rounded = row.entry.size_rounded if row.entry else ""
    gated = " (gated)" if row.entry and row.entry.gated else ""
    bound = "≤ " if row.entry and "slide" in row.entry.kv_note and row.memory_bytes else ""
    return [
        row.name,
        row.kind or "own file",
        params_text(row.entry),
        size_text(row.size_bytes) or rounded,
        f"{row.context_length:,}" if row.context_length else "",
        bound + size_text(row.memory_bytes),
        row.license + gated,
        row.state,
    ]
