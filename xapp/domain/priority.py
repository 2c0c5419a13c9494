"""The classes of requests."""

import enum


class Priority(enum.IntEnum):
    """A lower number goes first."""

    CRITICAL = 0
    INTERACTIVE = 1
    BATCH = 2
