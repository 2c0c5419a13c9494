"""Programs that run once, for one text or one stream of audio, and then end.

A caller's text and audio go in by standard input, never by an argument, and never through a shell. A program
has limits of memory, CPU time and output. It ends with the call, and with this process.
"""

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import BinaryIO

from xapp.errors import Unavailable, XappError

READ_BYTES = 64 * 1024
_FILE_BYTES = 128 << 20
"""Limit of a file. Libraries of sound make files of 64 MB in shared memory."""
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
    with _in_memory() as errors:
        pipe = asyncio.subprocess.PIPE
        process = await _start(command, (pipe, pipe, errors.fileno()), partial(_limit, cpu_s))
        feeder = asyncio.create_task(_feed(process, pieces))
        try:
            async with aclosing(_output(process)) as output:
                async for data in output:
                    yield data
            # The program has closed its output: an error of the pieces comes before its own.
            if feeder.done():
                await feeder
            _check_code(command, await process.wait(), _content(errors))
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
            await _kill(process)


async def output_of(
    command: Sequence[str], text: str, *, cpu_s: int, most_bytes: int, timeout_s: float
) -> bytes:
    """What the program makes of a text. Raises ProgramFailed, Unavailable.

    Input and output are files in memory: some programs open them anew by their names, which fails for the
    sockets that an event loop may take for pipes.
    """
    with _in_memory(text.encode(errors="replace")) as source, _in_memory() as sink, _in_memory() as errors:
        files = (source.fileno(), sink.fileno(), errors.fileno())
        process = await _start(command, files, partial(_limit, cpu_s))
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
        except TimeoutError:
            raise ProgramFailed(f"{_name(command)} took longer than {timeout_s:g} s") from None
        finally:
            await _kill(process)
        _check_code(command, code, _content(errors))
        if os.fstat(sink.fileno()).st_size > most_bytes:
            raise ProgramFailed(f"{_name(command)} wrote more than {most_bytes:,} bytes")
        return _content(sink)


def _in_memory(content: bytes = b"") -> BinaryIO:
    file: BinaryIO = open(os.memfd_create("text"), "w+b")  # noqa: PTH123, SIM115  the caller closes it
    file.write(content)
    file.seek(0)
    return file


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


async def _start(
    command: Sequence[str], files: tuple[int, int, int], limit: Callable[[], None]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            start_new_session=True,
            preexec_fn=limit,
        )
    except OSError as error:
        raise Unavailable(f"cannot start {command[0]}: {error}", reason="ENGINE_MISSING") from error


def _limit(cpu_s: int) -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    limits = {
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


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


def _check_code(command: Sequence[str], code: int, errors: bytes) -> None:
    """Raises ProgramFailed with the last line of the error output."""
    if code == -signal.SIGXFSZ:
        raise ProgramFailed(f"{_name(command)} wrote too much")
    if code:
        lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
        why = lines[-1][:_MAX_MESSAGE_CHARS] if lines else f"it ended with code {code}"
        raise ProgramFailed(f"{_name(command)}: {why}")


def _name(command: Sequence[str]) -> str:
    return command[0].rsplit("/", 1)[-1]


async def _read_rest(process: asyncio.subprocess.Process) -> None:
    """The `wait` of asyncio waits for the end of the output, and a full buffer keeps it from reading that."""
    if process.stdout is not None:
        async with aclosing(_output(process)) as output:
            async for _ in output:
                pass


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _read_rest(process)
        await process.wait()
