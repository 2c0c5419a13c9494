"""What a container may use is what its cgroup says, not what the machine has."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from xapp.backend.node import this_node
from xapp.backend.sizing import Node
from xapp.telemetry import cgroup as cgroups

GB = 1 << 30
Files = Callable[..., None]


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=16 * GB))

    def write(**files: str) -> None:
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    return write


def test_no_cgroup_no_limit(cgroup: Files) -> None:
    assert this_node() == Node(memory_bytes=16 * GB, cores=4, hardware_threads=8)


def test_limits_of_a_pod(cgroup: Files) -> None:
    cgroup(memory_max=str(2 * GB), memory_current=str(GB), cpu_max="200000 100000")
    assert this_node() == Node(memory_bytes=GB, cores=2, hardware_threads=2)


def test_page_cache_is_free_memory(cgroup: Files) -> None:
    stat = f"anon {GB // 4}\nfile {GB}\ninactive_file {GB // 2}\nactive_file {GB // 4}\n"
    cgroup(memory_max=str(2 * GB), memory_current=str(GB), memory_stat=stat)
    assert this_node().memory_bytes == 2 * GB - GB // 4


def test_no_limit_is_written_max(cgroup: Files) -> None:
    cgroup(memory_max="max", memory_current=str(GB), cpu_max="max 100000")
    assert this_node() == Node(memory_bytes=16 * GB, cores=4, hardware_threads=8)


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("350000 100000", 3), ("nonsense", 4)])
def test_part_of_a_core_is_a_core_and_a_part_more_is_none(cgroup: Files, quota: str, cores: int) -> None:
    cgroup(cpu_max=quota)
    assert this_node().cores == cores


def test_over_the_limit_is_nothing_left(cgroup: Files) -> None:
    cgroup(memory_max=str(GB), memory_current=str(2 * GB), memory_stat="broken")
    assert this_node().memory_bytes == 0


def test_this_machine_has_something() -> None:
    here = this_node()
    assert here.cores >= 1
    assert here.memory_bytes >= 0
