"""The node's load as ORCA tells it: in a trailer of each call that was work, and in OpenRcaService.

A balancer (gRPC's weighted_round_robin, Envoy's client_side_weighted_round_robin) gives a node calls in
proportion to `rps / (utilization + eps / rps)`, so it settles where all nodes are as full as each other. A
node is as full as the most of these:

- its slots: open calls, running and waiting, by what its slots hold. Where two nodes are as full, the node of
  half the speed ends half the calls;
- its lateness: what a request would wait now by the time that requests leave. Above 1 requests are late;
- its failures: the share of calls that it fails. A node that refuses at once has no open calls and is not
  idle.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from xapp.domain.states import ModelSample
from xapp.errors import XappError
from xapp.orca.load_report_pb2 import OrcaLoadReport
from xapp.security.refusals import NOT_LET_IN
from xapp.server.load_meter import LoadMeter, Rates

TRAILER = "endpoint-load-metrics-bin"
FRESH_S = 0.25
_OVERLOADED = ("DEADLINE_UNREACHABLE", "QUEUE_FULL", "OUT_OF_MEMORY")
"""Reasons by which a node refuses what another node might take."""
_BROKEN = ("UNAVAILABLE", "INTERNAL")

Trailers = tuple[tuple[str, str | bytes], ...]


def load_report(rates: Rates, samples: Sequence[ModelSample]) -> OrcaLoadReport:
    """The report of a node with these loaded models."""
    slots, cells = _sum(samples, "num_slots"), sum(each.stats.kv_cells_total for each in samples)
    used = sum(each.stats.kv_cells_used for each in samples)
    failing = rates.failed / rates.ended if rates.ended else 0.0
    wait_s = max((each.wait_s for each in samples), default=0.0)
    return OrcaLoadReport(
        application_utilization=max(rates.mean_open / slots if slots else 0.0, _lateness(samples), failing),
        rps_fractional=rates.ended,
        eps=rates.failed,
        named_metrics={
            "queued": float(sum(each.stats.num_waiting for each in samples)),
            "running": float(sum(each.stats.num_running for each in samples)),
            "kv_utilization": used / cells if cells else 0.0,
            "predicted_wait_s": wait_s,
        },
    )


def _sum(samples: Sequence[ModelSample], field: str) -> int:
    return sum(getattr(each, field) for each in samples)


def _lateness(samples: Sequence[ModelSample]) -> float:
    return max((each.wait_s / each.budget_s for each in samples), default=0.0)


class LoadReports:
    """Measures calls and reports. A report is made anew after FRESH_S at the earliest."""

    def __init__(
        self, samples: Callable[[], list[ModelSample]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._samples = samples
        self._clock = clock
        self._meter = LoadMeter(clock)
        self._latest = OrcaLoadReport()
        self._trailers: Trailers = ()
        self._fresh_until = clock()

    def latest(self) -> OrcaLoadReport:
        """Not older than FRESH_S."""
        self._renew()
        return self._latest

    def trailers(self) -> Trailers:
        """The same, as metadata at the end of a call."""
        self._renew()
        return self._trailers

    def _renew(self) -> None:
        now = self._clock()
        if now < self._fresh_until:
            return
        self._latest = load_report(self._meter.rates(), self._samples())
        self._trailers = ((TRAILER, self._latest.SerializeToString()),)
        self._fresh_until = now + FRESH_S

    @contextmanager
    def measuring(self) -> Iterator["MeasuredCall"]:
        """Counts a call, from its begin to its end."""
        call = MeasuredCall(self, self._meter)
        try:
            yield call
        finally:
            call.end()


class MeasuredCall:
    """A call that is work, from now until its `end`."""

    def __init__(self, reports: LoadReports, meter: LoadMeter) -> None:
        self._reports = reports
        self._meter = meter
        self._failed = self._ended = False
        self._let_in = True
        meter.begin()

    def refused(self, error: XappError) -> None:
        """It ends with this error; whether the node is to blame, or the caller."""
        self._failed = error.code in _BROKEN or error.reason in _OVERLOADED
        self._let_in = not isinstance(error, NOT_LET_IN)

    def trailers(self) -> Trailers:
        """For the end of the call, which is counted: a node's first report has a call already.

        Who was not let in hears nothing of the load.
        """
        self.end()
        return self._reports.trailers() if self._let_in else ()

    def end(self) -> None:
        """Once, or again without effect."""
        if self._ended:
            return
        self._ended = True
        if self._let_in:
            self._meter.end(failed=self._failed)
        else:
            # A flood of refusals would look like a fast node, which balancers give more calls.
            self._meter.forget()


class UnmeasuredCall:
    """A call that is no work, such as a question about health."""

    def refused(self, error: XappError) -> None:
        """Of no interest."""

    def trailers(self) -> Trailers:
        """None."""
        return ()


CallLoad: TypeAlias = MeasuredCall | UnmeasuredCall


class CallLoads:
    """Knows which methods are work: their `paths`."""

    def __init__(self, reports: LoadReports, paths: Collection[str] = ()) -> None:
        self._reports = reports
        self._paths = frozenset(paths)

    @contextmanager
    def call(self, path: str) -> Iterator[CallLoad]:
        """For the length of a call."""
        if path not in self._paths:
            yield _UNMEASURED
            return
        with self._reports.measuring() as call:
            yield call


_UNMEASURED = UnmeasuredCall()
NO_LOADS = CallLoads(LoadReports(list))
"""No method is work."""
