"""Builds llama-server.

Its sources are those that the llama.cpp binding in use was built from (the lock's release carries
them), with the same flags: the kernels are the same, only the server around them differs.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from perf.peers.peer_paths import FOLDER, LOCK

BUILD = FOLDER / "llama.cpp"
BINARY = BUILD / "bin" / "llama-server"
_STAMP = FOLDER / "built"

# gcc 12 miscompiles ggml's AMX kernels; the binding is built without them as well.
_X86_FLAGS = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DGGML_CCACHE=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
)


def compiler_flags(machine: str | None = None) -> str:
    """CFLAGS and CXXFLAGS for this architecture; what the environment says comes after."""
    return _X86_FLAGS if (machine or platform.machine()) in {"x86_64", "AMD64"} else ""


def stamp() -> str:
    """Changes when what would be built does."""
    what = "\n".join((LOCK.read_text(), *OPTIONS, compiler_flags()))
    return hashlib.sha256(what.encode()).hexdigest()


def built() -> bool:
    """Whether the binary is there and is what this file would build."""
    return BINARY.is_file() and _STAMP.is_file() and _STAMP.read_text() == stamp()


def sources() -> Path:
    """Fetches and unpacks the pinned sources; returns llama.cpp's folder.

    Raises subprocess.CalledProcessError when they cannot be had or their hash is another.
    """
    folder = FOLDER / "src"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run([*_pip_download(), "--dest", str(folder)])
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    (unpacked,) = folder.iterdir()
    return unpacked / "vendor" / "llama.cpp"


def _pip_download() -> list[str]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    # The build tools are in this environment already: nothing unpinned is fetched for the metadata.
    only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    return [*pip, *only, "--require-hashes", "--requirement", str(LOCK)]


def configure(source: Path) -> None:
    """Runs cmake."""
    named = ("-DLLAMA_BUILD_NUMBER=0", "-DLLAMA_BUILD_COMMIT=vendored")
    _run([_tool("cmake"), "-S", str(source), "-B", str(BUILD), "-G", "Ninja", *OPTIONS, *named])


def compile_server() -> None:
    """Builds the one target, on all cores."""
    _run([_tool("cmake"), "--build", str(BUILD), "--target", "llama-server"])


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def _run(command: Sequence[str]) -> None:
    environment = dict(os.environ)
    for key in ("CFLAGS", "CXXFLAGS"):
        environment[key] = f"{compiler_flags()} {environment.get(key, '')}".strip()
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    subprocess.run(command, check=True, env=environment)


def ensure() -> None:
    """Does nothing when it is built already."""
    if built():
        print(f"{BINARY} is built")
        return
    print("fetching the sources of llama.cpp")
    source = sources()
    print("building llama-server (some minutes)")
    configure(source)
    compile_server()
    _STAMP.write_text(stamp())
    print(f"{BINARY} is built")
