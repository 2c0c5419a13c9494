"""Builds llama-cpp-python for this CPU and installs it into the Python that runs this.

    python -m scripts.build_llama [--rebuild] [--foreign]

CC, CXX, CFLAGS, CXXFLAGS, LDFLAGS and CMAKE_ARGS are respected and remembered for this environment:
`CMAKE_ARGS=-DGGML_CUDA=ON make setup` makes a build with CUDA, `CMAKE_ARGS= make setup` a plain one again.
CMAKE_BUILD_PARALLEL_LEVEL limits the compilers that run at once. Wheels are kept in
$XDG_CACHE_HOME/genai-xapp/wheels (~/.cache when unset), so a second checkout starts in seconds; a wheel
of another CPU, compiler or set of options is never taken, nor one that does not pass smoke_llama.py.
`--foreign` installs what a cross compiler (CC, CXX) makes for another architecture. It cannot be tried here.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.llama_build import (
    CMAKE_ALWAYS,
    ROOT,
    Build,
    BuildError,
    Source,
    cpu_identity,
    describe,
    user_options,
)
from scripts.llama_wheel import PIP, build_wheel, say

SMOKE_TIMEOUT_S = 120
RECORD = Path(sys.prefix) / "llama-build.json"
SMOKE = ROOT / "scripts" / "smoke_llama.py"


def main() -> None:
    """Leaves a working llama.cpp in this environment, or exits 1 saying why not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rebuild", action="store_true", help="build anew, whatever is installed or cached")
    parser.add_argument(
        "--foreign", action="store_true", help="for another architecture: do not try the build"
    )
    options = parser.parse_args()
    try:
        ensure(rebuild=options.rebuild, foreign=options.foreign)
    except BuildError as error:
        sys.exit(f"llama.cpp: {error}")
    except KeyboardInterrupt:
        sys.exit("llama.cpp: stopped")


def ensure(*, rebuild: bool, foreign: bool = False) -> None:
    """Keeps what is installed when it fits, else takes a cached wheel, else builds one. Raises BuildError."""
    trial = not_tried if foreign else smoke
    record = read_record()
    options = user_options(os.environ, record.get("options", {}))
    if not rebuild and is_installed(record, options):
        return
    build = describe(options)
    RECORD.unlink(missing_ok=True)  # true again only once something works
    folder = wheel_cache() / build.key
    if rebuild or not install_cached(folder, trial):
        build_and_install(build, folder, trial)
    write_record(options, build.source)


# ---- what this environment has


def read_record() -> dict[str, dict[str, str]]:
    """What was installed here and for what; empty when nothing was."""
    try:
        record: dict[str, dict[str, str]] = json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}
    return record


def write_record(options: Mapping[str, str], source: Source) -> None:
    """Remembers what is installed now."""
    RECORD.write_text(
        json.dumps({"options": dict(options), "installed": _installed(source)}, indent=1) + "\n"
    )


def is_installed(record: Mapping[str, dict[str, str]], options: Mapping[str, str]) -> bool:
    """Whether the build here is the pinned one, for this CPU, with these and the fixed options."""
    fits = record.get("installed") == _installed(Source.from_lock())
    return fits and record.get("options") == dict(options)


def _installed(source: Source) -> dict[str, str]:
    return {**dataclasses.asdict(source), "cmake": CMAKE_ALWAYS, "cpu": cpu_identity()}


# ---- wheels


def wheel_cache() -> Path:
    """Where built wheels are kept for this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "genai-xapp" / "wheels"


def install_cached(folder: Path, trial: Callable[[], None]) -> bool:
    """Installs the folder's wheel if there is one and it works; removes one that does not."""
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        return False
    say(f"taking the build made before on this machine ({folder})")
    try:
        install(wheels[0])
        trial()
    except BuildError as error:
        say(f"{error}\nthat build is of no use: making a new one")
        shutil.rmtree(folder)
        return False
    return True


def build_and_install(build: Build, folder: Path, trial: Callable[[], None]) -> None:
    """Builds a wheel, installs it, and keeps it only once it has passed the trial."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as work:
        kept = Path(work) / "wheel"
        log = folder.parent / f"{build.key}.log"
        wheel = build_wheel(build, Path(work), kept, log)
        install(wheel)
        trial()
        (kept / "build.json").write_text(json.dumps(dataclasses.asdict(build), indent=1) + "\n")
        log.rename(kept / "build.log")
        shutil.rmtree(folder, ignore_errors=True)
        kept.rename(folder)


def install(wheel: Path) -> None:
    """Puts the wheel into this environment. Raises BuildError with pip's words."""
    options = ("--quiet", "--no-deps", "--no-index", "--no-cache-dir", "--force-reinstall")
    result = subprocess.run(
        [*PIP, "install", *options, str(wheel)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f"pip cannot install {wheel}: {last_line(result.stderr)}")


def smoke() -> None:
    """Decodes a tiny model in a process of its own. Raises BuildError, naming the signal it died by."""
    command = [sys.executable, str(SMOKE)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=SMOKE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"the build does not answer within {SMOKE_TIMEOUT_S} s") from error
    if result.returncode < 0:
        name = signal.Signals(-result.returncode).name
        raise BuildError(f"the build died by {name}: not right for this CPU, or miscompiled (other CFLAGS?)")
    if result.returncode:
        raise BuildError(f"the build does not work: {last_line(result.stderr)}")
    say(f"works: {result.stdout.strip()}")


def not_tried() -> None:
    """In place of the smoke test."""
    say("built for another architecture, and not tried")


def last_line(text: str) -> str:
    """What a traceback or a log ends with."""
    return (text.strip().splitlines() or ["it says nothing"])[-1]


if __name__ == "__main__":
    main()
