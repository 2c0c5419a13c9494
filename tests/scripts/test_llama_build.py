import dataclasses
from pathlib import Path

import pytest

from scripts import llama_build
from scripts.llama_build import (
    AMX_OFF,
    CMAKE_ALWAYS,
    Build,
    BuildError,
    Source,
    Toolchain,
    build_options,
    cpu_identity,
)

HASH = "a" * 64
BUILD = Build(
    source=Source("llama-cpp-python==1.0", HASH),
    cpu="x86_64-1",
    libc="glibc 2.36",
    compiler="c++ 12",
    options={"CFLAGS": "-O2"},
)


@dataclasses.dataclass(frozen=True)
class Compiler(Toolchain):
    cc: str = "cc"
    cxx: str = "c++"
    version: str = "12"
    known: frozenset[str] = frozenset(AMX_OFF)

    def accepts(self, flag: str) -> bool:
        return flag in self.known


@pytest.mark.parametrize(
    "change",
    [
        {"source": Source("llama-cpp-python==1.1", HASH)},
        {"source": Source("llama-cpp-python==1.0", "b" * 64)},
        {"cpu": "x86_64-2"},
        {"libc": "glibc 2.41"},
        {"compiler": "c++ 13"},
        {"options": {"CFLAGS": "-O3"}},
        {"options": {"CFLAGS": "-O2", "CMAKE_ARGS": "-DGGML_CUDA=ON"}},
        {"accelerator": "H200"},
    ],
)
def test_whatever_changes_the_code_changes_the_key(change: dict[str, object]) -> None:
    assert dataclasses.replace(BUILD, **change).key != BUILD.key  # type: ignore[arg-type]


def test_the_key_does_not_depend_on_the_order_of_options() -> None:
    one = dataclasses.replace(BUILD, options={"CC": "cc", "CXX": "c++"})
    other = dataclasses.replace(BUILD, options={"CXX": "c++", "CC": "cc"})
    assert one.key == other.key


def test_amx_is_switched_off_on_x86_where_the_compiler_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    options = build_options({"CFLAGS": "-O3", "CMAKE_ARGS": "-DX=1"}, Compiler())
    assert options["CFLAGS"] == " ".join((*AMX_OFF, "-O3"))
    assert options["CXXFLAGS"] == " ".join(AMX_OFF)
    assert options["CMAKE_ARGS"] == f"{CMAKE_ALWAYS} -DX=1"
    assert "CFLAGS" not in build_options({}, Compiler(known=frozenset()))


def test_an_arm_compiler_gets_no_amx_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert "CXXFLAGS" not in build_options({}, Compiler())


def test_an_option_not_given_again_stays_and_an_empty_one_goes() -> None:
    before = {"CMAKE_ARGS": "-DGGML_CUDA=ON", "CC": "gcc"}
    assert llama_build.user_options({}, before) == before
    assert llama_build.user_options({"CMAKE_ARGS": ""}, before) == {"CC": "gcc"}


def test_cpu_identity_knows_flags_and_every_kind_of_core_but_not_the_clock(tmp_path: Path) -> None:
    def identity(text: str) -> str:
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        return cpu_identity(path)

    one = identity("model name\t: A\nflags\t: avx\ncpu MHz\t: 1\n")
    assert identity("model name\t: A\nflags\t: avx\ncpu MHz\t: 2\n") == one
    assert identity("model name\t: A\nflags\t: avx avx2\ncpu MHz\t: 1\n") != one
    assert identity("CPU part\t: 0xd0b\n") != identity("CPU part\t: 0xd0b\n\nCPU part\t: 0xd05\n")
    assert cpu_identity(tmp_path / "none") != one


def test_no_compiler_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"(?s)no C compiler found.*apt install g\+\+"):
        Toolchain.find({})
    (tmp_path / "cc").write_text("#!/bin/sh\n")
    (tmp_path / "cc").chmod(0o755)
    with pytest.raises(BuildError, match=r"no C\+\+ compiler found"):
        Toolchain.find({})
    with pytest.raises(BuildError, match="CC: nowhere: no such compiler"):
        Toolchain.find({"CC": "nowhere"})


@pytest.mark.parametrize("text", ["", "llama-cpp-python==1.0\n", f"x==1 --hash=sha256:{HASH}\n"])
def test_a_lock_without_one_pin_and_one_hash_is_refused(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "llama.txt"
    lock.write_text(text)
    with pytest.raises(BuildError, match=r"llama\.txt"):
        Source.from_lock(lock)
