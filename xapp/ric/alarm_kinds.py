"""The alarms of a node: their meaning, and the figures at which they are raised and cleared."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["CRITICAL", "MAJOR", "MINOR", "WARNING"]


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """Raised after `raise_looks` looks in a row at `raise_at` or above, cleared after `clear_looks` looks
    below `clear_at`. Between the two figures the alarm stays as it is.
    """

    id: int
    text: str
    severity: Severity
    event_type: str
    instructions: str
    raise_at: float
    clear_at: float
    raise_looks: int = 3
    clear_looks: int = 6

    def definition(self) -> dict[str, object]:
        """The definition for the alarm manager. Its own delays are 0: this node has the hysteresis."""
        return {
            "alarmId": self.id,
            "alarmText": self.text,
            "eventType": self.event_type,
            "operationInstructions": self.instructions,
            "raiseDelay": 0,
            "clearDelay": 0,
            "timeToLive": 0,
        }


WORKER_LOST = AlarmKind(
    21101,
    "A worker of the language model was lost",
    "MAJOR",
    "Processing error",
    "The worker is started again by itself. Look into the node's log for the reason.",
    raise_at=1,
    clear_at=1,
    raise_looks=1,
    clear_looks=12,
)
CPU_THROTTLED = AlarmKind(
    21102,
    "The CPU of the node is throttled",
    "MINOR",
    "Environmental",
    "Check the power supply, the cooling and the CPU quota of the container.",
    raise_at=0.25,
    clear_at=0.05,
)
MEMORY_PRESSURE = AlarmKind(
    21103,
    "The memory of the node is nearly used up",
    "MAJOR",
    "Processing error",
    "Unload a model, or give the node more memory.",
    raise_at=0.95,
    clear_at=0.90,
)
QUEUE_SATURATED = AlarmKind(
    21104,
    "The queue of the language model is nearly full",
    "MINOR",
    "Quality of service",
    "Requests are about to be refused: add nodes, or set quotas.",
    raise_at=0.9,
    clear_at=0.5,
)
CERTIFICATE_ENDS = AlarmKind(
    21105,
    "The certificate of the node ends soon",
    "MAJOR",
    "Security",
    "Renew the certificate: clients refuse the node once it has ended.",
    raise_at=-14,
    clear_at=-15,
    raise_looks=1,
    clear_looks=1,
)
"""The figure is the number of days since the end, negative before it."""

HEAT = AlarmKind(
    21106,
    "The node is about to lower its clock for heat",
    "WARNING",
    "Environmental",
    "Check the cooling. The node promises less until it is cooler.",
    raise_at=1,
    clear_at=1,
    raise_looks=1,
)
"""The figure is 1 while the node lowers its clock, or is expected to within HEAT_SOON_S."""
HEAT_SOON_S = 30.0

KINDS = (WORKER_LOST, CPU_THROTTLED, MEMORY_PRESSURE, QUEUE_SATURATED, CERTIFICATE_ENDS, HEAT)
