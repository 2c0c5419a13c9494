"""Why an answer ended."""

import enum


class FinishReason(enum.StrEnum):
    """Why a sequence ended. A worker says EXPIRED of a deadline that passed; the service makes of it the
    status DEADLINE_EXCEEDED or, for an answer that may be cut, DEADLINE.
    """

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    STUCK = "stuck"
    """The grammar allows nothing that the model can say, or takes too much work."""
    DEADLINE = "deadline"
    NO_MEMORY = "no_memory"
    """There is no room for the KV cache that a deterministic request has for itself."""
