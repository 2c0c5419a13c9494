"""The metadata of documents, and filters over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = str | float | bool
Metadata: TypeAlias = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Condition:
    """One name of a filter. `one_of` and `none_of` None: not asked. Bounds are inclusive."""

    name: str
    one_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] | None = None
    at_least: Scalar | None = None
    at_most: Scalar | None = None


Filter: TypeAlias = tuple[Condition, ...]
"""All conditions hold. () is everything."""
