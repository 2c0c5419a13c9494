"""How llama-server is built to compare with."""

from pathlib import Path

import pytest

from perf.peers import build_llama_server


def test_amx_is_left_out_on_x86_only() -> None:
    assert "-mno-amx-tile" in build_llama_server.compiler_flags("x86_64")
    assert build_llama_server.compiler_flags("aarch64") == ""


def test_the_stamp_depends_on_the_locked_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build_llama_server.stamp()
    lock = tmp_path / "llama.txt"
    lock.write_text("llama-cpp-python==0.0.1 --hash=sha256:00\n")
    monkeypatch.setattr(build_llama_server, "LOCK", lock)
    assert build_llama_server.stamp() != before
