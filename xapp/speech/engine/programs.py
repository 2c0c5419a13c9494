"""Programs that run once, for one text or one stream of audio, and then end.

A caller's text and audio go in by standard input, never by an argument, and never through a shell. A program
has limits of memory, CPU time and output. It ends with the call, and with this process.
"""

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing, suppress
from functools import partial

from xapp.errors import Unavailable, XappError

READ_BYTES = 64 * 1024
_MEMORY_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl
_MAX_MESSAGE_CHARS = 300


class ProgramFailed(XappError):
    """The program could not work on its input. The message is the last line of its error output."""

    code = "INVALID_ARGUMENT"
    default_reason = "ENGINE_REFUSED"


async def piped(
    command: Sequence[str], pieces: AsyncIterable[bytes], *, cpu_s: int
) -> AsyncGenerator[bytes, None]:
    """What the program writes, while it reads `pieces`. Raises ProgramFailed, Unavailable."""
    process = await _start(command, asyncio.subprocess.PIPE, cpu_s)
    feeder = asyncio.create_task(_feed(process, pieces))
    try:
        async with aclosing(_output(process)) as output:
            async for data in output:
                yield data
        # The program has closed its output: an error of the pieces comes before its own.
        if feeder.done():
            await feeder
        await _check_end(process, command[0])
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        await _kill(process)


async def output_of(
    command: Sequence[str], text: str, *, cpu_s: int, most_bytes: int, timeout_s: float
) -> bytes:
    """What the program makes of a text. Raises ProgramFailed, Unavailable."""
    # A file in memory, since some programs open their standard input anew, which fails for a socket.
    with open(os.memfd_create("text"), "w+b") as source:  # noqa: PTH123  there is no path
        source.write(text.encode(errors="replace"))
        source.seek(0)
        process = await _start(command, source.fileno(), cpu_s)
    found = bytearray()
    try:
        async with asyncio.timeout(timeout_s), aclosing(_output(process)) as output:
            async for data in output:
                found += data
                if len(found) > most_bytes:
                    raise ProgramFailed(f"{command[0]} wrote more than {most_bytes:,} bytes")
            await _check_end(process, command[0])
    except TimeoutError:
        raise ProgramFailed(f"{command[0]} took longer than {timeout_s:g} s") from None
    finally:
        await _kill(process)
    return bytes(found)


async def _start(command: Sequence[str], source: int, cpu_s: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=partial(_limit, cpu_s),
        )
    except OSError as error:
        raise Unavailable(f"cannot start {command[0]}: {error}", reason="ENGINE_MISSING") from error


def _limit(cpu_s: int) -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def _feed(process: asyncio.subprocess.Process, pieces: AsyncIterable[bytes]) -> None:
    assert process.stdin is not None
    # A program may end before it has read everything: its exit code says whether that is an error.
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            async for piece in pieces:
                process.stdin.write(piece)
                await process.stdin.drain()
        finally:
            process.stdin.close()


async def _output(process: asyncio.subprocess.Process) -> AsyncGenerator[bytes, None]:
    assert process.stdout is not None
    while data := await process.stdout.read(READ_BYTES):
        yield data


async def _check_end(process: asyncio.subprocess.Process, name: str) -> None:
    """Waits for the end. Raises ProgramFailed with the last line of the error output."""
    assert process.stderr is not None
    end = b""
    while data := await process.stderr.read(READ_BYTES):
        end = (end + data)[-READ_BYTES:]
    if code := await process.wait():
        lines = [line for line in end.decode(errors="replace").splitlines() if line.strip()]
        why = lines[-1][:_MAX_MESSAGE_CHARS] if lines else f"it ended with code {code}"
        raise ProgramFailed(f"{name.rsplit('/', 1)[-1]}: {why}")


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
