"""What a build of llama.cpp depends on: the pinned source, this CPU, the compiler and the options.

A native build is right for one kind of CPU only, and pip's own cache of wheels knows neither the
CPU nor the flags; so builds are told apart by a key over all of it.
"""

import dataclasses
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "llama.txt"
OPTION_NAMES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_ARGS")

# gcc 12 miscompiles ggml's AMX kernels: SIGSEGV at the first llama_decode on a CPU with AMX.
# arm64 compilers refuse the flags, and so do x86-64 ones from before AMX.
AMX_OFF = ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16")
# The service loads text models only. RPC is a library of its own: a model may be larger than one node.
CMAKE_ALWAYS = "-DLLAVA_BUILD=OFF -DGGML_RPC=ON -DGGML_RPC_RDMA=OFF"

_CPU_KEYS = {
    *("vendor_id", "cpu family", "model", "model name", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
}


class BuildError(Exception):
    """The build cannot be done; the message says what to do about it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """The pinned release, as requirements/llama.txt has it."""

    requirement: str
    sha256: str

    @classmethod
    def from_lock(cls, lock: Path = LOCK) -> "Source":
        """Raises BuildError when the file is not one requirement with one hash."""
        text = lock.read_text()
        requirements = re.findall(r"^llama-cpp-python==\S+", text, re.MULTILINE)
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", text)
        if len(requirements) != 1 or len(hashes) != 1:
            raise BuildError(f"{lock}: one llama-cpp-python== with one sha256 is expected; run 'make lock'")
        return cls(requirements[0], hashes[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Toolchain:
    """The compilers that CMake will take, and what they call themselves."""

    cc: str
    cxx: str
    version: str

    @classmethod
    def find(cls, options: Mapping[str, str]) -> "Toolchain":
        """Raises BuildError when there is no C or no C++ compiler."""
        cc = _first_program(options.get("CC"), ("cc", "gcc", "clang"), "CC", "C")
        cxx = _first_program(options.get("CXX"), ("c++", "g++", "clang++"), "CXX", "C++")
        return cls(cc, cxx, "; ".join(_version(program) for program in dict.fromkeys((cc, cxx))))

    def accepts(self, flag: str) -> bool:
        """Whether the C++ compiler knows a flag."""
        command = [*self.cxx.split(), flag, "-E", "-x", "c++", os.devnull]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclasses.dataclass(frozen=True, slots=True)
class Build:
    """One build; equal keys mean that a wheel may be used again."""

    source: Source
    cpu: str
    libc: str
    compiler: str
    options: dict[str, str]
    accelerator: str = ""

    @property
    def key(self) -> str:
        """16 hexadecimal digits."""
        facts = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


def describe(options: Mapping[str, str]) -> Build:
    """The build that the options ask for on this machine. Raises BuildError without a compiler."""
    toolchain = Toolchain.find(options)
    return Build(
        source=Source.from_lock(),
        cpu=cpu_identity(),
        libc=" ".join(platform.libc_ver()),
        compiler=toolchain.version,
        options=build_options(options, toolchain),
        accelerator=_accelerator(options.get("CMAKE_ARGS", "")),
    )


def user_options(environ: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """The options of the environment; one that is not set there stays what it was `before`."""
    values = {name: environ.get(name, before.get(name, "")) for name in OPTION_NAMES}
    return {name: value for name, value in values.items() if value}


def build_options(user: Mapping[str, str], toolchain: Toolchain) -> dict[str, str]:
    """The environment of the build: what is needed here, then the user's own, which wins."""
    needed = " ".join(flag for flag in AMX_OFF if _is_x86() and toolchain.accepts(flag))
    options = {
        "CC": toolchain.cc,
        "CXX": toolchain.cxx,
        "CFLAGS": f"{needed} {user.get('CFLAGS', '')}",
        "CXXFLAGS": f"{needed} {user.get('CXXFLAGS', '')}",
        "LDFLAGS": user.get("LDFLAGS", ""),
        "CMAKE_ARGS": f"{CMAKE_ALWAYS} {user.get('CMAKE_ARGS', '')}",
    }
    return {name: value.strip() for name, value in options.items() if value.strip()}


def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A digest of what the kernel tells of the kinds of CPU and their instruction sets."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    pairs = (line.partition(":") for line in lines)
    facts = {(key.strip(), value.strip()) for key, _, value in pairs if key.strip() in _CPU_KEYS}
    text = json.dumps([platform.machine(), platform.processor(), sorted(facts)])
    return f"{platform.machine()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _is_x86() -> bool:
    return platform.machine() in {"x86_64", "AMD64"}


def _first_program(asked: str | None, names: tuple[str, ...], variable: str, language: str) -> str:
    for name in (asked,) if asked else names:
        if shutil.which(name.split()[0]):
            return name
    if asked:
        raise BuildError(f"{variable}: {asked}: no such compiler")
    raise BuildError(
        f"no {language} compiler found (looked for {', '.join(names)}): llama.cpp is built from source.\n"
        "  Debian, Ubuntu, Raspberry Pi OS:  apt install g++\n"
        "  Fedora:                           dnf install gcc-c++\n"
        f"  elsewhere: say where it is with {variable}=…"
    )


def _version(program: str) -> str:
    result = subprocess.run([*program.split(), "--version"], capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0] or f"{program}, unknown version"


def _accelerator(cmake_args: str) -> str:
    """A CUDA build is for the GPUs that are there when it is made."""
    if "CUDA" not in cmake_args:
        return ""
    commands = (
        ["nvcc", "--version"],
        ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"],
    )
    return "\n".join(_output(command) for command in commands)


def _output(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
