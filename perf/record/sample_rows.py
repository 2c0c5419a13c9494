"""Samples as plain rows: how a journal and a result file hold them."""

from typing import Any

import msgspec


def encode(sample: msgspec.Struct) -> dict[str, Any]:
    """A flat JSON object; the mode's own `decode` reads it again."""
    plain: dict[str, Any] = msgspec.to_builtins(sample)
    return plain
