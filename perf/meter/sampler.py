"""Reads all meters of the node in a thread, and tells what a stretch of the run used."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from perf.closing import Ending
from perf.meter.process_reading import ProcessMeter, Usage
from perf.meter.reading import Reading
from xapp.telemetry import host as metrics_host
from xapp.telemetry.power.find import find_energy_meter
from xapp.telemetry.power.meter import EnergyMeter, NoMeter

_Number = TypeVar("_Number", int, float)

INTERVAL_S = 0.5
"""Between samples; a call of the Pi's firmware takes some 10 ms, which must not show in the result."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment; `at` on CLOCK_MONOTONIC. None: not measured."""

    at: float
    usage: Usage
    temperature_c: float | None = None
    throttled: bool | None = None
    joules: float | None = None


class Probe:
    """Takes Samples of a server and the node. `not_measured` has the reason for each meter there is not."""

    def __init__(self, pid: int, find_meter: Callable[[], EnergyMeter] = find_energy_meter) -> None:
        self._processes = ProcessMeter(pid)
        self._energy: EnergyMeter | None = None
        self.energy_meter = ""
        self.not_measured: dict[str, str] = {}
        try:
            self._energy = find_meter()
            self.energy_meter = self._energy.name
        except NoMeter as reason:
            self.not_measured["energy"] = str(reason)
        self._explain(self.read())

    def read(self) -> Sample:
        """Now."""
        return Sample(
            at=time.monotonic(),
            usage=self._processes.read(),
            temperature_c=metrics_host.hottest_celsius(),
            throttled=metrics_host.throttled(),
            joules=self._joules(),
        )

    def _joules(self) -> float | None:
        if self._energy is None:
            return None
        try:
            return self._energy.joules()
        except NoMeter as reason:
            # Half a measurement would pass for a whole one.
            self._energy = None
            self.not_measured["energy"] = f"lost in mid-run: {reason}"
            return None

    def _explain(self, sample: Sample) -> None:
        if sample.usage.pss_bytes is None:
            self.not_measured["pss"] = "the kernel does not tell the PSS of these processes"
        if sample.temperature_c is None:
            self.not_measured["temperature"] = "no temperature sensor"
        if sample.throttled is None:
            self.not_measured["throttling"] = "the board does not tell (only a Raspberry Pi's firmware does)"


class Sampler(Ending):
    """Samples every `interval_s` seconds between `begin` and `end`, in a thread of its own.

    `end` takes one more sample, so that a stretch of any length has two.
    """

    def __init__(self, read: Callable[[], Sample], interval_s: float = INTERVAL_S) -> None:
        self._read = read
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sampler")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def begin(self) -> None:
        """A stretch begins; an earlier one is forgotten."""
        with self._lock:
            self._samples = [self._read()]

    def end(self) -> Reading:
        """What was used since `begin`."""
        with self._lock:
            samples = [*self._samples, self._read()]
            self._samples = []
        return reading_of(samples)

    def close(self) -> None:
        """Ends the thread."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._interval_s):
            with self._lock:
                if self._samples:
                    self._samples.append(self._read())


def reading_of(samples: list[Sample]) -> Reading:
    """Of the samples of one stretch, oldest first; at least two."""
    first, last = samples[0], samples[-1]
    return Reading(
        wall_s=last.at - first.at,
        cpu_s=last.usage.cpu_s - first.usage.cpu_s,
        rss_bytes=max(sample.usage.rss_bytes for sample in samples),
        pss_bytes=_largest([sample.usage.pss_bytes for sample in samples]),
        temperature_c=_largest([sample.temperature_c for sample in samples]),
        throttled=_any([sample.throttled for sample in samples]),
        energy_j=None if first.joules is None or last.joules is None else last.joules - first.joules,
    )


def _largest(values: Sequence[_Number | None]) -> _Number | None:
    return max((value for value in values if value is not None), default=None)


def _any(values: list[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
