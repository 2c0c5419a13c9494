"""Runs a coroutine on a loop whose clock jumps."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from perf.targets.virtual_time import VirtualTimeLoop

_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
