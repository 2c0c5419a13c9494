"""The reasons for the end of an answer."""

import enum


class FinishReason(enum.StrEnum):
    """Why a sequence ended. A worker reports a passed deadline as EXPIRED. The service turns EXPIRED into the
    status DEADLINE_EXCEEDED or, for an answer that may be cut, into DEADLINE.
    """

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    STUCK = "stuck"
    """The grammar allows no token of the model, or takes too much work."""
    DEADLINE = "deadline"
    TOOL_CALLS = "tool_calls"
    """The answer calls tools."""
    NO_MEMORY = "no_memory"
    """There is no memory for the separate KV cache of a deterministic request."""
