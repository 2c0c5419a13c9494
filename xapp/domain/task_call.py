"""A task in place of a prompt: what a caller asks by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xapp.domain.priority import Priority


@dataclass(frozen=True, slots=True)
class TaskCall:
    """Which task is to make the prompt, NAME or NAME@VERSION, and what of.

    `measured_at` is when the inputs were measured, seconds since 1970. `priority` None takes the task's.
    """

    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    measured_at: float | None = None
    priority: Priority | None = None
