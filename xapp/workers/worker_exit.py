"""Explains the end of a worker process, with advice."""

import re
import signal
from collections.abc import Sequence

_GAVE_UP = re.compile(r"(?:.*/)?([\w.-]+\.(?:c|cc|cpp|cu|h|hpp|m):\d+: .*)")
"""The last line of ggml before it aborts: FILE:LINE: GGML_ASSERT(…) failed."""
_LOST_HOSTS = re.compile(r" \[RPC ([\w.:,-]+)\]$")
"""How a worker marks the helpers whose connection broke; see `backend.rpc.lost_host`."""
_REBUILD = "rebuild llama-cpp-python on this node (make rebuild)"

_LESS_MEMORY = "lower XAPP_KV_CELLS or XAPP_CONTEXT_LENGTH, or choose a smaller model"
_FOR_MEMORY = f"the kernel killed it because the container is out of memory: raise the limit, {_LESS_MEMORY}"

_REMEDIES: dict[int, str] = {
    signal.SIGILL: f"native code was built for another CPU: {_REBUILD}",
    signal.SIGSEGV: (
        f"native code crashed: {_REBUILD}; on an x86-64 CPU with AMX, gcc 12 needs"
        " -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
    ),
    signal.SIGKILL: f"killed from outside, probably out of memory: {_LESS_MEMORY}",
    signal.SIGBUS: "the model file was changed or truncated on disk, or the disk failed: verify the file",
    signal.SIGABRT: "native code gave up",
    signal.SIGTERM: "ended from outside",
}


def gave_up_at(returncode: int, lines: Sequence[str]) -> str:
    """The place and condition of the failed assertion as printed; "" where the process ended otherwise."""
    if returncode != -signal.SIGABRT:
        return ""
    found = (_GAVE_UP.fullmatch(line) for line in reversed(lines))
    return next((match[1] for match in found if match), "")


def lost_hosts(returncode: int, lines: Sequence[str]) -> str:
    """The helpers whose loss made a worker give up, separated by commas; "" for another reason."""
    if returncode != -signal.SIGABRT:
        return ""
    found = map(_LOST_HOSTS.search, reversed(lines))
    return next((match[1] for match in found if match), "")


def explain_exit(returncode: int, last_line: str, *, for_memory: bool = False) -> str:
    """A sentence for an exit status as `subprocess` states it: a negative number is a signal.

    `last_line` is the last line of the worker's output. It is quoted where it shows the cause. `for_memory`:
    the kernel ended a process of this container for memory during the worker's life.
    """
    output = f"; its last output: {last_line}" if last_line else ""
    if returncode >= 0:
        return f"the worker ended by itself with exit code {returncode}{output}"
    number = -returncode
    remedy = _FOR_MEMORY if for_memory and number == signal.SIGKILL else _REMEDIES.get(number)
    text = f"the worker was ended by {_signal_name(number)}" + (f": {remedy}" if remedy else "")
    return text + (output if number == signal.SIGABRT or remedy is None else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
