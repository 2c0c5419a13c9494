"""Installs llama-cpp-python's own server into an environment of its own, from the wheel built here."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from perf.peers.peer_paths import LOCK, PYTHON_SERVER, PYTHON_SERVER_PYTHON, PYTHON_SERVER_STAMP, ROOT
from scripts.build_llama import RECORD, read_record, wheel_cache
from scripts.llama_build import BuildError, describe, user_options

REQUIREMENTS = ROOT / "requirements" / "peers.txt"


class PeerError(Exception):
    """The peer cannot be installed; the message says what to do."""


def stamp() -> str:
    """Changes when what would be installed does."""
    record = RECORD.read_text() if RECORD.is_file() else ""
    what = "\n".join((REQUIREMENTS.read_text(), LOCK.read_text(), record, sys.version))
    return hashlib.sha256(what.encode()).hexdigest()


def installed() -> bool:
    """Whether the environment is there and is what this file would make."""
    there = PYTHON_SERVER_PYTHON.is_file() and PYTHON_SERVER_STAMP.is_file()
    return there and PYTHON_SERVER_STAMP.read_text() == stamp()


def wheel() -> Path:
    """The wheel of llama-cpp-python that `make setup` built for this CPU. Raises PeerError."""
    try:
        build = describe(user_options(os.environ, read_record().get("options", {})))
    except BuildError as error:
        raise PeerError(str(error)) from error
    wheels = list((wheel_cache() / build.key).glob("*.whl"))
    if len(wheels) != 1:
        raise PeerError("there is no wheel of llama-cpp-python for this CPU: run `make rebuild` once")
    return wheels[0]


def ensure() -> None:
    """Does nothing when it is installed already. Raises SystemExit with the reason when it cannot be."""
    if installed():
        print(f"{PYTHON_SERVER} has llama-cpp-python's server")
        return
    print("installing llama-cpp-python's server")
    try:
        install(wheel())
    except PeerError as error:
        raise SystemExit(f"llama-cpp-python's server: {error}") from error
    print(f"{PYTHON_SERVER} has llama-cpp-python's server")


def install(built: Path) -> None:
    """Makes the environment anew. Raises PeerError with pip's last line."""
    shutil.rmtree(PYTHON_SERVER, ignore_errors=True)
    venv.create(PYTHON_SERVER, with_pip=True)
    _pip("--require-hashes", "--requirement", str(REQUIREMENTS))
    _pip("--no-deps", "--no-index", "--no-cache-dir", str(built))
    PYTHON_SERVER_STAMP.write_text(stamp())


def _pip(*arguments: str) -> None:
    command = [
        str(PYTHON_SERVER_PYTHON),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError((done.stderr.strip().splitlines() or ["pip says nothing"])[-1])
