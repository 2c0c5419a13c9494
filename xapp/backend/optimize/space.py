"""Checks that disk and memory have room for copies of a model, before any file is written."""

from collections.abc import Mapping
from pathlib import Path

from xapp.backend.sizing import RESERVE_BYTES, Node
from xapp.errors import ModelError
from xapp.models.transfer import check_room


def check_disk(folder: Path, sizes: Mapping[str, int], name: str) -> None:
    """`sizes` are bytes by format. Raises ModelError with the figures."""
    formats = ", ".join(f"{form} {size:,}" for form, size in sizes.items())
    check_room(folder, sum(sizes.values()), f"copies of {name} ({formats} bytes; --format chooses fewer)")


def check_memory(node: Node, source: Path, source_bytes: int, sizes: Mapping[str, int]) -> None:
    """Checks that source and largest copy fit together. Raises ModelError with the figures."""
    form, largest = max(sizes.items(), key=lambda item: item[1])
    needed = source_bytes + largest + RESERVE_BYTES
    if needed > node.memory_bytes:
        raise ModelError(
            f"not enough memory to make {form} of {source}: {needed:,} bytes needed ({source_bytes:,} for the"
            f" source, {largest:,} for the copy, {RESERVE_BYTES:,} beside them), {node.memory_bytes:,} free",
            reason="NO_MEMORY",
            metadata={"needed": str(needed), "free": str(node.memory_bytes)},
        )
