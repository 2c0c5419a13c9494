"""Samples as plain rows: how a journal and a result file hold them."""

from collections.abc import Callable
from typing import Any

import msgspec


def encode(sample: msgspec.Struct) -> dict[str, Any]:
    """A flat JSON object; the mode's own `decode` reads it again."""
    plain: dict[str, Any] = msgspec.to_builtins(sample)
    return plain


def decoder(kind: Any) -> Callable[[dict[str, Any]], Any]:
    """The reader of a mode's rows. `kind` is the type of its samples.

    The reader raises msgspec.ValidationError for a row that is no sample of the mode.
    """

    def decode(row: dict[str, Any]) -> Any:
        return msgspec.convert(row, kind)

    return decode
