"""The deadline of a call, as the service takes it."""

import time
from typing import Any

import grpc


def deadline_of(context: "grpc.aio.ServicerContext[Any, Any]") -> float | None:
    """On CLOCK_MONOTONIC; None where the caller set none."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
