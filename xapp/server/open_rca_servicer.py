"""xds.service.orca.v3.OpenRcaService: streams the node's load to balancers."""

import asyncio
from contextlib import suppress
from typing import Any

import grpc

from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog
from xapp.orca import open_rca_pb2, open_rca_pb2_grpc
from xapp.server.load_reports import LoadReports

MAX_STREAMS = 1024
"""One stream for each connection of a balancing client."""
SHORTEST_INTERVAL_S = 0.25
LONGEST_INTERVAL_S = 60.0
DEFAULT_INTERVAL_S = 1.0


class OpenRcaServicer(open_rca_pb2_grpc.OpenRcaServiceServicer):
    """`close` ends the streams, which otherwise never end."""

    def __init__(self, reports: LoadReports, watchdog: Watchdog) -> None:
        self._reports = reports
        self._watchdog = watchdog
        self._streams = Limit("load streams", MAX_STREAMS)
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Ends the streams."""
        self._closing.set()

    async def StreamCoreMetrics(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self,
        request: open_rca_pb2.OrcaLoadReportRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """Sends a report now and then at each interval, 0.25 to 60 s, until the client cancels or the
        server ends.
        """
        interval_s = interval_of(request)
        with self._streams.hold(), self._watchdog.watch() as stream:
            while not self._closing.is_set():
                await stream.send(context.write(self._reports.latest()))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), interval_s)


def interval_of(request: open_rca_pb2.OrcaLoadReportRequest) -> float:
    """Seconds between reports: the requested interval, within limits."""
    if not request.HasField("report_interval"):
        return DEFAULT_INTERVAL_S
    interval = request.report_interval
    return min(LONGEST_INTERVAL_S, max(SHORTEST_INTERVAL_S, interval.seconds + interval.nanos / 1e9))
