"""Programs that run once, for one text or one stream of audio, and then end.

A caller's text and audio go in by standard input, never by an argument, and never through a shell. A program
has limits of memory, CPU time and output. It ends with the call, and with this process.
"""

import asyncio
import ctypes
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
    process = await _start(command, cpu_s)
    feeder = asyncio.create_task(_feed(process, pieces))
    errors = asyncio.create_task(_read_errors(process))
    try:
        assert process.stdout is not None
        while data := await process.stdout.read(READ_BYTES):
            yield data
        await _end_feeder(feeder)
        code, message = await process.wait(), await errors
        if code:
            raise _failed(command[0], code, message)
    finally:
        for task in (feeder, errors):
            task.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.gather(feeder, errors, return_exceptions=True)


async def output_of(
    command: Sequence[str], text: str, *, cpu_s: int, most_bytes: int, timeout_s: float
) -> bytes:
    """What the program makes of a text. Raises ProgramFailed, Unavailable."""
    found = bytearray()
    try:
        async with asyncio.timeout(timeout_s), aclosing(piped(command, _once(text), cpu_s=cpu_s)) as output:
            async for data in output:
                found += data
                if len(found) > most_bytes:
                    raise ProgramFailed(f"{command[0]} wrote more than {most_bytes:,} bytes")
    except TimeoutError:
        raise ProgramFailed(f"{command[0]} took longer than {timeout_s:g} s") from None
    return bytes(found)


async def _once(text: str) -> AsyncGenerator[bytes, None]:
    yield text.encode(errors="replace")


async def _start(command: Sequence[str], cpu_s: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
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
        async for piece in pieces:
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.close()


async def _end_feeder(feeder: "asyncio.Task[None]") -> None:
    """The program has closed its output: nobody reads more of the input."""
    if feeder.done():
        await feeder
    else:
        feeder.cancel()


async def _read_errors(process: asyncio.subprocess.Process) -> str:
    """The end of the error output. All of it is read, so that the program does not wait."""
    assert process.stderr is not None
    end = b""
    while data := await process.stderr.read(READ_BYTES):
        end = (end + data)[-READ_BYTES:]
    return end.decode(errors="replace")


def _failed(name: str, code: int, message: str) -> ProgramFailed:
    lines = [line for line in message.splitlines() if line.strip()]
    why = lines[-1][:_MAX_MESSAGE_CHARS] if lines else f"it ended with code {code}"
    return ProgramFailed(f"{name.rsplit('/', 1)[-1]}: {why}")
