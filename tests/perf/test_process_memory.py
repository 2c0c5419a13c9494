import os

from perf.process_memory import cpu_seconds, family


def test_cpu_time_of_this_process_grows() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) <= before:  # the kernel counts in ticks; the test's timeout bounds it
        sum(range(200_000))


def test_family_starts_with_the_process_itself() -> None:
    assert family(os.getpid())[0] == os.getpid()
