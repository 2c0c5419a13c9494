"""A request for a task by name, in place of a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xapp.domain.priority import Priority


@dataclass(frozen=True, slots=True)
class TaskCall:
    """The task that makes the prompt, NAME or NAME@VERSION, and its inputs.

    `measured_at`: when the inputs were measured, seconds since 1970. `priority` None takes the task's class.
    """

    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    measured_at: float | None = None
    priority: Priority | None = None
