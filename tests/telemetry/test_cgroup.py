"""The files of both versions of the kernel's interface say the same."""

from pathlib import Path

import pytest

from xapp.telemetry import cgroup

NEW = {
    "memory.max": "2147483648\n",
    "memory.current": "1000\n",
    "memory.stat": "anon 600\nactive_file 100\ninactive_file 200\n",
    "memory.events": "low 0\noom 4\noom_kill 3\n",
    "cpu.max": "150000 100000\n",
    "cpu.stat": "usage_usec 5\nnr_periods 7\nnr_throttled 2\n",
}
OLD = {
    "memory/memory.limit_in_bytes": "2147483648\n",
    "memory/memory.usage_in_bytes": "1000\n",
    "memory/memory.stat": "rss 600\nactive_file 100\ninactive_file 200\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpu/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 9\n",
}
WITHOUT_LIMITS = {
    "new": {"memory.max": "max\n", "cpu.max": "max 100000\n"},
    "old": {
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
    },
    "nothing": {},
    "nonsense": {"memory.max": "x", "memory.stat": "a b c", "cpu.max": "1 0", "cpu.stat": "nr_periods x"},
}


def write(files: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "ROOT", root)
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize("files", [NEW, OLD], ids=["version 2", "version 1"])
def test_limits_and_counters(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files, tmp_path, monkeypatch)
    assert cgroup.memory_limit() == 2147483648
    assert cgroup.memory_used() == 700
    assert cgroup.memory_kills() == 3
    assert cgroup.cpu_quota() == 1.5
    assert cgroup.cpu_periods() == (7, 2)


@pytest.mark.parametrize("files", WITHOUT_LIMITS.values(), ids=WITHOUT_LIMITS)
def test_no_limit(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files, tmp_path, monkeypatch)
    assert cgroup.memory_limit() is None
    assert cgroup.memory_used() == 0
    assert cgroup.memory_kills() == 0
    assert cgroup.cpu_quota() is None
    assert cgroup.cpu_periods() == (0, 0)
