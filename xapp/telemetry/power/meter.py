"""The seam of energy meters. A new kind of meter is a file beside this one, and a line in `find`."""

from typing import Protocol


class NoMeter(Exception):
    """There is no such meter here, or it cannot be read; the message says why."""


class EnergyMeter(Protocol):
    """Counts joules from its making on."""

    @property
    def name(self) -> str:
        """The kind of the meter, and what it adds up."""
        ...

    @property
    def interval_s(self) -> float:
        """How often it should be read, seconds: a reading has a price."""
        ...

    def joules(self) -> float:
        """So far. Blocks for milliseconds. Raises NoMeter when the meter does not answer."""
        ...
