"""Runs a job in a child process. This process survives any end of native code, and reports it."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from xapp.backend.optimize import jobs
from xapp.backend.spin import set_spin_count
from xapp.errors import ModelError
from xapp.models.parts import total_bytes

COMMAND = (sys.executable, "-m", "xapp.backend.optimize.job_process")
BASE_TIMEOUT_S, BYTES_PER_S = 300.0, 1e6
"""A child without an answer by then hangs: time for the work itself, and for each byte of the model."""
TICK_S = 0.25
"""Interval at which `on_wait` is called."""
_SAID_BYTES = 2000

_T = TypeVar("_T", bound=jobs.Answer)


def ask(job: jobs.Job, kind: type[_T], on_tick: Callable[[], None] | None = None) -> _T:
    """The answer of a child process, which has ended when this returns or raises.

    Raises ModelError: the child's own, or CHILD_LOST with the kind of its end.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=_environment()
        )
        try:
            line = _converse(process, job, on_tick)
        finally:
            process.kill()
            process.communicate()
        if not line.endswith(b"\n"):
            raise _lost(job, process.returncode, errors)
    answer = _decoded(job, line)
    if isinstance(answer, jobs.Failed):
        raise ModelError(answer.message, reason=answer.reason)
    assert isinstance(answer, kind)
    return answer


def _converse(process: "subprocess.Popen[bytes]", job: jobs.Job, on_tick: Callable[[], None] | None) -> bytes:
    """The line of the answer, incomplete if the child ended early.

    Its standard input stays open meanwhile.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    _send(process.stdin, job)
    limit_s = _limit_s(job)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if line := _line(process, TICK_S):
            return line
        if process.poll() is not None:
            return process.stdout.readline()
        if on_tick:
            on_tick()
    raise ModelError(f"{_subject(job)}: no answer for {limit_s:,.0f} s", reason="CHILD_LOST")


def _decoded(job: jobs.Job, line: bytes) -> jobs.Answer:
    try:
        answer: jobs.Answer = msgspec.json.decode(line, type=jobs.Answer)
    except msgspec.DecodeError as error:
        raise ModelError(
            f"{_subject(job)}: the child process ({_kind(job)}) sent an invalid answer: {error}",
            reason="CHILD_LOST",
        ) from error
    return answer


def _environment() -> dict[str, str]:
    """Compute threads wait for each other as in a worker, so that measurements match the service."""
    environ = dict(os.environ)
    set_spin_count(environ)
    return environ


def _limit_s(job: jobs.Job) -> float:
    path = Path(_subject(job))
    return BASE_TIMEOUT_S + (total_bytes(path) / BYTES_PER_S if path.is_file() else 0)


def _send(pipe: IO[bytes], job: jobs.Job) -> None:
    try:
        pipe.write(msgspec.json.encode(job) + b"\n")
        pipe.flush()
    except BrokenPipeError:
        return  # the child has ended, and its exit status shows why


def _line(process: "subprocess.Popen[bytes]", patience_s: float) -> bytes:
    """b"" when no line began within that time. A line is written at once, so its rest is there too."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], patience_s)
    return process.stdout.readline() if ready else b""


def _subject(job: jobs.Job) -> str:
    return job.source if isinstance(job, jobs.Size | jobs.Quantize) else job.path


def _kind(job: jobs.Job) -> str:
    return type(job).__name__.lower()


def _lost(job: jobs.Job, code: int, errors: IO[bytes]) -> ModelError:
    """The error for a lost child. The final kill does not change the status of a child that had ended."""
    text = f"{_subject(job)}: the child process ({_kind(job)}) {_end(code)}{_last_words(errors)}"
    return ModelError(text, reason="CHILD_LOST")


def _end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    hint = ", most probably out of memory" if code == -signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{hint}"


def _last_words(errors: IO[bytes]) -> str:
    end = errors.seek(0, 2)
    errors.seek(max(end - _SAID_BYTES, 0))
    lines = errors.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f"; its last output: {said[-1]}" if said else ""
