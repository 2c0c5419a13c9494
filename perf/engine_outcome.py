"""What came of a run that measures an engine."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from perf.engine_config import EngineConfig
from perf.machine import Noise

_S = TypeVar("_S")


@dataclass(slots=True)
class EngineOutcome(Generic[_S]):
    """The samples so far. `lost` says why the run ended early, "" when it did not."""

    samples: list[_S]
    engine_config: EngineConfig | None = None
    noise: list[Noise] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: str = ""
