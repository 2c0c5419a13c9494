import os

import pytest

from perf.process_memory import cpu_seconds, family, parse_file_pss, parse_pss

SMAPS = """\
7f0000000000-7f0000100000 r--s 00000000 08:01 12                         /models/a b.gguf
Rss:                1024 kB
Pss:                 512 kB
Pss_Dirty:             0 kB
7f0000200000-7f0000300000 rw-p 00000000 00:00 0
Pss:                  64 kB
7f0000400000-7f0000500000 r--s 00100000 08:01 12                         /models/a b.gguf
Pss:                   8 kB
7f0000600000-7f0000700000 r--p 00000000 08:01 13                         /models/a b.gguf.json
Pss:                   4 kB
"""


def test_file_pss_sums_the_mappings_of_that_file_only() -> None:
    assert parse_file_pss(SMAPS, "/models/a b.gguf") == 520 * 1024


def test_file_pss_of_a_file_that_is_not_mapped_is_zero() -> None:
    assert parse_file_pss(SMAPS, "/models") == 0


def test_pss_is_in_bytes() -> None:
    assert parse_pss("00400000-7fff r-xp [rollup]\nRss: 9 kB\nPss:      3 kB\nPss_Anon: 1 kB\n") == 3072


def test_pss_without_its_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="Pss"):
        parse_pss("Rss: 9 kB\n")


def test_cpu_time_of_this_process_grows() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) <= before:  # the kernel counts in ticks; the test's timeout bounds it
        sum(range(200_000))


def test_family_starts_with_the_process_itself() -> None:
    assert family(os.getpid())[0] == os.getpid()
