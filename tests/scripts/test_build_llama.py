import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import build_llama, llama_wheel
from scripts.llama_build import Build, BuildError, Source

BUILD = Build(Source.from_lock(), "cpu", "libc", "c++", {})


class World:
    """Stands in for pip, the compiler and the smoke test; tells what was done."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.bad: set[str] = set()
        self.cache = root / "cache" / "genai-xapp" / "wheels"
        self._installed = ""
        monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_ARGS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(build_llama, "RECORD", root / "record.json")
        monkeypatch.setattr(build_llama, "describe", lambda _options: BUILD)
        monkeypatch.setattr(build_llama, "build_wheel", self._build)
        monkeypatch.setattr(build_llama, "install", self._install)
        monkeypatch.setattr(build_llama, "smoke", self._smoke)

    def keep(self, content: str) -> None:
        folder = self.cache / BUILD.key
        folder.mkdir(parents=True)
        (folder / "a.whl").write_text(content)

    def kept(self) -> list[str]:
        return [path.read_text() for path in (self.cache / BUILD.key).glob("*.whl")]

    def _build(self, _build: Build, _scratch: Path, target: Path, log: Path) -> Path:
        self.done.append("build")
        target.mkdir()
        log.write_text("log")
        (target / "a.whl").write_text("built")
        return target / "a.whl"

    def _install(self, wheel: Path) -> None:
        self._installed = wheel.read_text()
        self.done.append(f"install {self._installed}")

    def _smoke(self) -> None:
        if self._installed in self.bad:
            raise BuildError("died by SIGILL")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_builds_once_then_does_nothing(world: World) -> None:
    build_llama.ensure(rebuild=False)
    build_llama.ensure(rebuild=False)
    assert world.done == ["build", "install built"]
    assert world.kept() == ["built"]


def test_a_build_for_another_architecture_is_kept_and_not_tried(world: World) -> None:
    world.bad = {"built"}
    build_llama.ensure(rebuild=False, foreign=True)
    assert world.kept() == ["built"]


def test_another_environment_takes_the_kept_wheel(world: World) -> None:
    world.keep("kept")
    build_llama.ensure(rebuild=False)
    assert world.done == ["install kept"]


def test_a_kept_wheel_that_does_not_work_is_replaced(world: World) -> None:
    world.keep("kept")
    world.bad.add("kept")
    build_llama.ensure(rebuild=False)
    assert world.done == ["install kept", "build", "install built"]
    assert world.kept() == ["built"]


def test_rebuild_ignores_what_is_installed_and_kept(world: World) -> None:
    world.keep("kept")
    build_llama.ensure(rebuild=False)
    build_llama.ensure(rebuild=True)
    assert world.done == ["install kept", "build", "install built"]


def test_a_new_build_that_does_not_work_is_neither_kept_nor_taken_for_installed(world: World) -> None:
    build_llama.ensure(rebuild=False)
    world.bad.add("built")
    with pytest.raises(BuildError, match="SIGILL"):
        build_llama.ensure(rebuild=True)
    assert not build_llama.read_record()
    assert not list(world.cache.glob(".building-*"))


def test_an_environment_from_before_a_fixed_option_is_brought_up_to_date(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_llama.ensure(rebuild=False)
    monkeypatch.setattr(build_llama, "CMAKE_ALWAYS", "-DGGML_NEW=ON")
    build_llama.ensure(rebuild=False)
    assert world.done == ["build", "install built", "install built"]


def test_other_options_are_another_build(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    build_llama.ensure(rebuild=False)
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    build_llama.ensure(rebuild=False)
    assert world.done[-1] == "install built"
    assert len(world.done) == 3
    monkeypatch.delenv("CMAKE_ARGS")
    build_llama.ensure(rebuild=False)
    assert len(world.done) == 3


def test_the_smoke_test_names_the_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "dies.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    monkeypatch.setattr(build_llama, "SMOKE", script)
    with pytest.raises(BuildError, match="died by SIGILL"):
        build_llama.smoke()
    script.write_text("raise SystemExit('llama_decode gave no numbers')\n")
    with pytest.raises(BuildError, match="gave no numbers"):
        build_llama.smoke()


def test_progress_and_the_cause_of_a_failure_come_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("configuring\n")
    assert llama_wheel.progress(log) == "preparing"
    log.write_text("  [1/140] c++ a\n  [12/140] c++ b\ncc1plus: Killed signal terminated program cc1plus\n")
    assert llama_wheel.progress(log) == "compiled 12 of 140"
    assert "CMAKE_BUILD_PARALLEL_LEVEL=1" in llama_wheel.failure(log)


def test_an_interrupted_build_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grandchild = "import os, time; os.write(1, b'u'); time.sleep(60)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    reader, writer = os.pipe()
    real_wait = subprocess.Popen.wait

    def interrupt(process: "subprocess.Popen[bytes]", timeout: float | None = None) -> int:
        if timeout is None:
            return real_wait(process)
        assert os.read(reader, 1) == b"u"
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
    with open(writer, "wb") as sink, pytest.raises(KeyboardInterrupt):  # noqa: PTH123  a descriptor
        llama_wheel.run_with_progress([sys.executable, "-c", child], dict(os.environ), sink, tmp_path / "log")
    with open(reader, "rb") as end:  # noqa: PTH123
        assert end.read() == b""  # comes only when every holder of the other end is gone
