import os
import threading
from collections.abc import Callable

from perf.meter.process_reading import Usage
from perf.meter.sampler import Probe, Sample, Sampler, reading_of
from xapp.telemetry.power.meter import EnergyMeter, NoMeter


def sample(at: float, cpu_s: float = 0.0, rss: int = 0, pss: int | None = 0, **more: object) -> Sample:
    return Sample(at, Usage(cpu_s, rss, pss), **more)  # type: ignore[arg-type]


def test_a_reading_has_differences_and_peaks() -> None:
    reading = reading_of(
        [
            sample(10.0, 5.0, 100, 90, temperature_c=40.0, throttled=False, joules=1.0),
            sample(11.0, 6.0, 300, 80, temperature_c=60.0, throttled=True, joules=4.0),
            sample(13.0, 7.5, 200, 70, temperature_c=50.0, throttled=False, joules=9.0),
        ]
    )
    assert (reading.wall_s, reading.cpu_s, reading.energy_j) == (3.0, 2.5, 8.0)
    assert (reading.rss_bytes, reading.pss_bytes, reading.temperature_c) == (300, 90, 60.0)
    assert reading.throttled is True


def test_what_no_meter_tells_is_none() -> None:
    reading = reading_of([sample(0.0, pss=None), sample(1.0, pss=None)])
    assert (reading.pss_bytes, reading.temperature_c, reading.throttled, reading.energy_j) == (None,) * 4


def test_a_meter_lost_on_the_way_measured_nothing() -> None:
    assert reading_of([sample(0.0, joules=1.0), sample(1.0)]).energy_j is None


class Clockwork:
    """Samples with a growing RSS; `taken` is set after so many."""

    def __init__(self, enough: int) -> None:
        self.count = 0
        self.taken = threading.Event()
        self._enough = enough

    def read(self) -> Sample:
        self.count += 1
        if self.count >= self._enough:
            self.taken.set()
        return sample(float(self.count), rss=self.count)


def test_samples_are_taken_between_begin_and_end_only() -> None:
    clockwork = Clockwork(enough=5)
    with Sampler(clockwork.read, interval_s=0.001) as sampler:
        sampler.begin()
        assert clockwork.taken.wait(10)
        assert sampler.end().rss_bytes >= 5
        after = clockwork.count
        sampler.begin()
        assert sampler.end().wall_s >= 1.0
        assert clockwork.count >= after + 2
    after = clockwork.count
    assert not any(thread.name == "sampler" for thread in threading.enumerate())
    assert clockwork.count == after


def none_there() -> EnergyMeter:
    raise NoMeter("no meter here")


class Failing:
    """An energy meter that answers as often as told."""

    name, interval_s = "failing", 0.5

    def __init__(self, answers: int) -> None:
        self._left = answers

    def joules(self) -> float:
        if not self._left:
            raise NoMeter("gone")
        self._left -= 1
        return 1.0


def probe(find: Callable[[], EnergyMeter]) -> Probe:
    return Probe(os.getpid(), find)


def test_the_reason_for_a_meter_that_is_not_there_is_kept() -> None:
    found = probe(none_there)
    assert found.not_measured["energy"] == "no meter here"
    assert found.energy_meter == ""
    assert found.read().joules is None


def test_an_energy_meter_that_stops_says_so() -> None:
    found = probe(lambda: Failing(answers=2))
    assert found.read().joules == 1.0
    assert found.read().joules is None
    assert found.not_measured["energy"] == "lost in mid-run: gone"


def test_this_process_has_memory_and_cpu_time() -> None:
    usage = probe(none_there).read().usage
    assert usage.rss_bytes > 1 << 20
    assert usage.cpu_s > 0


def test_a_process_that_is_gone_uses_nothing() -> None:
    usage = Probe(2**22 + 1, none_there).read().usage
    assert usage == Usage(0.0, 0, None)
