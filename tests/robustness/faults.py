"""Faults from outside: signals to the processes of a node, and its limits. Each one ends by itself."""

import asyncio
import contextlib
import os
import random
import resource
import signal
from collections.abc import Awaitable, Callable
from time import monotonic

import psutil

from tests.robustness.history import Fault, History
from tests.robustness.node import TEXT, WORKER, Node

STOP_S = 2.0
_SHORT_STOP_S = 0.3
_FEW_DESCRIPTORS_S = 0.5

Outside = Callable[[Node], Awaitable[None]]


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def _stop(pids: list[int], seconds: float) -> None:
    _send(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _send(pids, signal.SIGCONT)


async def kill_worker(node: Node) -> None:
    """As the kernel does for memory."""
    _send(node.pids(WORKER), signal.SIGKILL)


async def crash_worker(node: Node) -> None:
    """As native code does."""
    _send(node.pids(WORKER), signal.SIGSEGV)


async def stop_worker(node: Node) -> None:
    """Longer than the supervisor waits."""
    await _stop(node.pids(WORKER), STOP_S)


async def stop_worker_shortly(node: Node) -> None:
    """Shorter than the supervisor waits."""
    await _stop(node.pids(WORKER), _SHORT_STOP_S)


async def stop_server(node: Node) -> None:
    """The event loop stands still; the worker goes on."""
    await _stop([node.pid], STOP_S)


async def stop_all(node: Node) -> None:
    """As a frozen container."""
    await _stop([node.pid, *node.pids(WORKER), *node.pids(TEXT)], _SHORT_STOP_S)


async def kill_text(node: Node) -> None:
    """The text process."""
    _send(node.pids(TEXT), signal.SIGKILL)


async def stop_text(node: Node) -> None:
    """The text process, longer than the supervisor waits."""
    await _stop(node.pids(TEXT), STOP_S)


async def few_descriptors(node: Node) -> None:
    """The server can open nothing more."""
    with contextlib.suppress(psutil.Error, OSError):
        soft, hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        taken = psutil.Process(node.pid).num_fds()
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (taken, hard))
        try:
            await asyncio.sleep(_FEW_DESCRIPTORS_S)
        finally:
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (soft, hard))


async def little_memory(node: Node) -> None:
    """The worker gets no new memory from the system."""
    for pid in node.pids(WORKER):
        with contextlib.suppress(psutil.Error, OSError):
            limits = resource.prlimit(pid, resource.RLIMIT_AS)
            resource.prlimit(pid, resource.RLIMIT_AS, (psutil.Process(pid).memory_info().vms, limits[1]))
            await asyncio.sleep(_SHORT_STOP_S)
            resource.prlimit(pid, resource.RLIMIT_AS, limits)


FAULTS: dict[str, tuple[Outside, int]] = {
    each.__name__: (each, weight)
    for each, weight in (
        (kill_worker, 4),
        (crash_worker, 1),
        (stop_worker, 1),
        (stop_worker_shortly, 2),
        (stop_server, 1),
        (stop_all, 1),
        (kill_text, 1),
        (stop_text, 1),
        (few_descriptors, 1),
        (little_memory, 1),
    )
}

FAILPOINTS = (
    "",
    "decode=0.1%kill",
    "decode=0.1%error",
    "schedule=0.1%error",
    "inbox=5%short; event_socket=2%short",
    "inbox=0.2%error",
    "event_socket=0.05%error",
    "decode=1%delay(0.05)",
    "event_socket=1%delay(0.02); inbox=short",
    "parked_copy=20%error",
    "load=1*delay(0.3); decode=0.1%kill",
    "tokenizer=2%kill",
    "tokenizer=2%error",
    "decode=0.05%stop(0.2)",
    "session=10%error",
    "session=2%delay(0.05)",
    "clock=shift(0.25)",
    "clock=shift(0.25); decode=0.1%kill; event_socket=1%short",
)
"""Values of XAPP_FAILPOINTS, of which each node gets one."""


async def run(history: History, node: Node, rng: random.Random, until: float) -> None:
    """Random faults until that time, one after the other."""
    names, weights = list(FAULTS), [weight for _, weight in FAULTS.values()]
    while True:
        await asyncio.sleep(rng.uniform(0.1, 0.8))
        began = monotonic()
        if began >= until:
            return
        name = rng.choices(names, weights)[0]
        if name not in {"kill_text", "stop_text"} or node.pids(TEXT):
            await FAULTS[name][0](node)
            history.faults.append(Fault(began, monotonic(), name))
