"""Compiles the wheel of llama-cpp-python with the environment's CMake and ninja, telling how far it is."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from scripts.llama_build import ROOT, Build, BuildError, Source

REPORT_EVERY_S = 15.0
GIB = 1024**3
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def build_wheel(build: Build, scratch: Path, target: Path, log: Path) -> Path:
    """Compiles in `scratch`, leaves the wheel in `target`. Raises BuildError with the end of the log."""
    say(f"building {build.source.requirement} for this CPU with {build.compiler}")
    say(f"this takes some minutes, once on this machine; log: {log}")
    options = ("--no-deps", "--no-build-isolation", "--no-cache-dir", "--no-binary", "llama-cpp-python")
    with requirement_file(build.source) as lock, log.open("wb") as sink:
        command = [
            *PIP,
            "wheel",
            "--verbose",
            "--require-hashes",
            *options,
            "--wheel-dir",
            str(target),
            "-r",
            str(lock),
        ]
        started = time.monotonic()
        code = run_with_progress(command, build_environment(build, scratch), sink, log)
    wheels = list(target.glob("*.whl"))
    if code or len(wheels) != 1:
        raise BuildError(failure(log))
    say(f"built in {elapsed(started)}")
    return wheels[0]


@contextlib.contextmanager
def requirement_file(source: Source) -> Iterator[Path]:
    """The one pinned requirement as pip wants it."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(f"{source.requirement} --hash=sha256:{source.sha256}\n")
        file.flush()
        yield Path(file.name)


def build_environment(build: Build, scratch: Path) -> dict[str, str]:
    """CMake and ninja of this environment, and no more compilers at once than there are cores and GiB."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    defaults = {"CMAKE_BUILD_PARALLEL_LEVEL": str(parallel_jobs()), "TMPDIR": str(scratch)}
    return {**defaults, **os.environ, "PATH": path, **build.options}


def parallel_jobs() -> int:
    """One compiler takes up to a GiB: a small board with many cores would run out of memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // GIB))


def run_with_progress(command: list[str], environ: dict[str, str], sink: IO[bytes], log: Path) -> int:
    """Runs to the end, with a line on the way every 15 s; ends the whole process group when interrupted."""
    started = time.monotonic()
    child = subprocess.Popen(
        command,
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while True:
            try:
                return child.wait(REPORT_EVERY_S)
            except subprocess.TimeoutExpired:
                say(f"  {elapsed(started)}  {progress(log)}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def progress(log: Path) -> str:
    """How far ninja is: the last `[12/140]` of the log."""
    steps = re.findall(r"^\s*\[(\d+)/(\d+)\]", _tail(log, 65536), re.MULTILINE)
    if not steps:
        return "preparing"
    return "compiled {} of {}".format(*steps[-1])


def failure(log: Path) -> str:
    """The end of the log, and what it means where that is known."""
    text = _tail(log, 65536)
    lines = "\n".join(text.splitlines()[-25:])
    hint = ""
    if "Killed signal terminated program" in text:
        hint = "\nThe compiler ran out of memory: CMAKE_BUILD_PARALLEL_LEVEL=1 makes it need less."
    return f"the build failed\n{lines}\nwhole log: {log}{hint}"


def _tail(path: Path, size: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def elapsed(started: float) -> str:
    """Minutes and seconds since a time on the monotonic clock."""
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes}:{seconds:02d}"


def say(text: str) -> None:
    """One line for who waits."""
    print(f"llama.cpp: {text}", flush=True)
