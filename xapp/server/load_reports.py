"""The node's load as an ORCA report: in a trailer of each call that is work, and in OpenRcaService.

A balancer (gRPC's weighted_round_robin, Envoy's client_side_weighted_round_robin) gives a node calls in
proportion to `rps / (utilization + eps / rps)`. It settles where all nodes have the same utilization. A
node's utilization is the largest of these:

- its slots: open calls, running and waiting, divided by the capacity of its slots. Where two nodes are
  equally full, the node of half the speed ends half the calls. A node that lowers its clock for heat, or soon
  will, has so much less capacity;
- its lateness: the present wait of a request divided by the mean time to its deadline. Above 1, requests
  are late;
- its failures: the share of calls that it fails. A node that refuses at once has no open calls, but is not
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
_OVERLOADED = ("DEADLINE_UNREACHABLE", "QUEUE_FULL", "OUT_OF_MEMORY", "POWER_BUDGET", "ENERGY_BUDGET")
"""Reasons of refusals that another node might not have."""
_BROKEN = ("UNAVAILABLE", "INTERNAL")

Trailers = tuple[tuple[str, str | bytes], ...]


def load_report(rates: Rates, samples: Sequence[ModelSample]) -> OrcaLoadReport:
    """The report of a node with these loaded models."""
    slots, cells = _sum(samples, "num_slots"), sum(each.stats.kv_cells_total for each in samples)
    used = sum(each.stats.kv_cells_used for each in samples)
    failing = rates.failed / rates.ended if rates.ended else 0.0
    wait_s = max((each.wait_s for each in samples), default=0.0)
    slowdown = max((each.slowdown for each in samples), default=1.0)
    full = rates.mean_open / slots if slots else 0.0
    return OrcaLoadReport(
        application_utilization=max(full * slowdown, _lateness(samples), failing),
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
    """Measures calls and makes reports. A report is renewed after FRESH_S at the earliest."""

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
        """A report that is at most FRESH_S old."""
        self._renew()
        return self._latest

    def trailers(self) -> Trailers:
        """The report as metadata at the end of a call."""
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
        """Notes the error of the call, which is the node's failure or the caller's."""
        self._failed = error.code in _BROKEN or error.reason in _OVERLOADED
        self._let_in = not isinstance(error, NOT_LET_IN)

    def trailers(self) -> Trailers:
        """The trailer of the call; none for a caller that was not let in.

        The call is already counted: a node's first report has a call.
        """
        self.end()
        return self._reports.trailers() if self._let_in else ()

    def end(self) -> None:
        """Ends the call. A second call has no effect."""
        if self._ended:
            return
        self._ended = True
        if self._let_in:
            self._meter.end(failed=self._failed)
        else:
            # A flood of refusals would look like a fast node, which balancers give more calls.
            self._meter.forget()


class UnmeasuredCall:
    """A call that is no work, such as a health check."""

    def refused(self, error: XappError) -> None:
        """Does nothing."""

    def trailers(self) -> Trailers:
        """No trailer."""
        return ()


CallLoad: TypeAlias = MeasuredCall | UnmeasuredCall


class CallLoads:
    """Decides by `paths` which methods are work."""

    def __init__(self, reports: LoadReports, paths: Collection[str] = ()) -> None:
        self._reports = reports
        self._paths = frozenset(paths)

    @contextmanager
    def call(self, path: str) -> Iterator[CallLoad]:
        """Counts a call for the length of the block."""
        if path not in self._paths:
            yield _UNMEASURED
            return
        with self._reports.measuring() as call:
            yield call


_UNMEASURED = UnmeasuredCall()
NO_LOADS = CallLoads(LoadReports(list))
"""Counts no method as work."""
