"""Programs get their text by standard input, and end with the call."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from xapp.errors import Unavailable
from xapp.speech.engine.programs import READ_BYTES, ProgramFailed, output_of, piped

NASTY = "$(touch pwned); `touch pwned` | touch pwned && \n-w pwned \x00\x1b[2J '\" ; exit"


async def out(code: str, text: str = "", most_bytes: int = 1 << 20, timeout_s: float = 20.0) -> bytes:
    command = (sys.executable, "-c", code)
    return await output_of(command, text, cpu_s=20, most_bytes=most_bytes, timeout_s=timeout_s)


COPY = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"


async def test_a_text_goes_in_unchanged_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await out(COPY, NASTY) == NASTY.encode()
    assert not os.listdir(tmp_path)  # noqa: PTH208


async def test_an_error_is_the_last_line_of_its_output() -> None:
    with pytest.raises(ProgramFailed, match="no such voice"):
        await out("import sys; print('no such voice', file=sys.stderr); sys.exit(3)")


async def test_too_much_output() -> None:
    with pytest.raises(ProgramFailed, match=r"more than 1,000 bytes"):
        await out("print('x' * 10**6)", most_bytes=1000)


async def test_a_program_that_does_not_end() -> None:
    with pytest.raises(ProgramFailed, match=r"longer than 0\.2 s"):
        await out("import time; time.sleep(600)", timeout_s=0.2)


async def test_a_program_that_reads_nothing() -> None:
    assert await out("print('done')", "x" * 10_000_000) == b"done\n"


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="cannot start"):
        await output_of(("/no/such/program",), "", cpu_s=1, most_bytes=1, timeout_s=1)


async def test_a_program_ends_with_the_call() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x\n"
            await asyncio.sleep(0)

    echo = "import os, sys\nprint(os.getpid(), flush=True)\nwhile sys.stdin.readline(): pass"
    async with aclosing(piped((sys.executable, "-c", echo), endless(), cpu_s=20)) as output:
        pid = int(await anext(output))
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


async def test_a_program_ends_although_much_of_its_output_was_not_read(tmp_path: Path) -> None:
    async def nothing() -> AsyncGenerator[bytes, None]:
        return
        yield b""

    # The event loop stops reading at twice READ_BYTES. The pipe takes about as much as READ_BYTES more.
    full = tmp_path / "full"
    writer = f"""
import os, pathlib
os.write(1, bytes({READ_BYTES}))
os.write(1, bytes({3 * READ_BYTES + READ_BYTES // 4}))
pathlib.Path({str(full)!r}).touch()
while True: os.write(1, bytes(1000))
"""
    async with asyncio.timeout(20):
        async with aclosing(piped((sys.executable, "-c", writer), nothing(), cpu_s=20)) as output:
            await anext(output)
            while not full.exists():  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0)


async def test_a_program_has_a_limit_of_memory() -> None:
    with pytest.raises(ProgramFailed, match="MemoryError"):
        await out("x = bytearray(4 << 30)")
