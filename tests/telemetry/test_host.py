import os
from pathlib import Path

import pytest

from xapp.telemetry.host import ProcessUsage, PsutilReader, throttled


def test_reads_this_process() -> None:
    usage = PsutilReader().process(os.getpid())
    assert usage.cpu_s > 0
    assert usage.rss_bytes > 1_000_000
    assert usage.pss_bytes <= usage.rss_bytes


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_no_such_process(pid: int) -> None:
    assert PsutilReader().process(pid) == ProcessUsage()


def test_reads_the_host() -> None:
    usage = PsutilReader().host()
    assert 0 < usage.memory_used_bytes < usage.memory_total_bytes
    assert 0 < usage.cpu_busy_s <= usage.cpu_total_s


@pytest.mark.parametrize(("word", "expected"), [("0", False), ("50000", False), ("50005", True), ("4", True)])
def test_throttled_now_is_in_the_low_bits(tmp_path: Path, word: str, expected: bool) -> None:
    file = tmp_path / "get_throttled"
    file.write_text(word + "\n")
    assert throttled(file) is expected


def test_a_board_that_does_not_tell(tmp_path: Path) -> None:
    assert throttled(tmp_path / "none") is None
