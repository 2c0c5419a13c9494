"""What a node says of its load: in a trailer of each call that was work, and in OpenRcaService."""

import asyncio
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from tests.engine.harness import Clock
from tests.server import raw_http2
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import STATS, FakeService, failing
from xapp.domain.states import ModelSample
from xapp.errors import (
    Exhausted,
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    XappError,
)
from xapp.inference.v1 import inference_pb2 as pb
from xapp.orca import open_rca_pb2, open_rca_pb2_grpc
from xapp.orca.load_report_pb2 import OrcaLoadReport
from xapp.security.attempts import TooManyAttempts
from xapp.security.refusals import NoIssuerKeys
from xapp.security.tokens import hash_of
from xapp.server import open_rca_servicer
from xapp.server.load_meter import Rates
from xapp.server.load_reports import FRESH_S, TRAILER, LoadReports, load_report
from xapp.server.open_rca_servicer import interval_of

SAMPLE = ModelSample("m", STATS, num_slots=4, wait_s=1.0, budget_s=10.0)


def test_a_node_is_as_full_as_its_slots() -> None:
    report = load_report(Rates(ended=5, mean_open=6), [SAMPLE])
    assert (report.application_utilization, report.rps_fractional, report.eps) == (1.5, 5, 0)
    assert dict(report.named_metrics) == {
        "queued": STATS.num_waiting,
        "running": STATS.num_running,
        "kv_utilization": 0.75,
        "predicted_wait_s": 1.0,
    }


def test_a_node_that_would_be_late_is_full() -> None:
    late = replace(SAMPLE, wait_s=20.0)
    assert load_report(Rates(ended=5, mean_open=1), [SAMPLE, late]).application_utilization == 2


def test_a_node_that_fails_every_call_is_full() -> None:
    report = load_report(Rates(ended=5, failed=5), [SAMPLE])
    assert (report.application_utilization, report.eps) == (1, 5)


def test_a_node_without_a_model_tells_nothing() -> None:
    assert load_report(Rates(), []).application_utilization == 0


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Unavailable("x"), True),
        (XappError("x"), True),
        (Exhausted("x"), True),
        (Exhausted("x", reason="DEADLINE_UNREACHABLE"), True),
        (Exhausted("x", reason="DEADLINE_TOO_SHORT"), False),
        (Exhausted("x", reason="QUOTA_EXCEEDED"), False),
        (InvalidArgument("x", "y"), False),
    ],
)
def test_a_refusal_counts_where_the_node_is_to_blame(error: XappError, counts: bool) -> None:
    clock = Clock()
    reports = LoadReports(lambda: [SAMPLE], clock)
    with reports.measuring() as call:
        clock.now += 1
        call.refused(error)
    clock.now += 1
    assert (reports.latest().eps > 0) is counts


@pytest.mark.parametrize(
    "error", [Unauthenticated("x"), PermissionDenied("x"), TooManyAttempts("x"), NoIssuerKeys(2.0)]
)
def test_who_is_not_let_in_is_no_work_and_hears_nothing_of_the_load(error: XappError) -> None:
    clock = Clock()
    reports = LoadReports(lambda: [SAMPLE], clock)
    for _ in range(100):
        with reports.measuring() as call:
            clock.now += FRESH_S
            call.refused(error)
            assert call.trailers() == ()
    clock.now += 60
    latest = reports.latest()
    assert (latest.rps_fractional, latest.eps) == (0, 0)
    assert latest.application_utilization < 1


def test_many_calls_ask_for_one_reading() -> None:
    clock, readings = Clock(), []

    def samples() -> list[ModelSample]:
        readings.append(clock.now)
        return [SAMPLE]

    reports = LoadReports(samples, clock)
    for _ in range(100):
        clock.now += FRESH_S / 20
        with reports.measuring() as call:
            call.trailers()
    assert len(readings) <= 6


async def ended(node: Node, method: str, request: Message) -> bytes:
    """All that a call ends with: gRPC's own client keeps the report for its balancer."""
    path = f"/xapp.inference.v1.InferenceService/{method}"
    return await raw_http2.call(node.port, path, request.SerializeToString(), [])


async def test_work_ends_with_a_report_and_nothing_else_does(node: Node) -> None:
    prompt, choices = "x", ["a", "b"]
    assert TRAILER.encode() in await ended(node, "Generate", pb.GenerateRequest(prompt=prompt))
    assert TRAILER.encode() in await ended(node, "Score", pb.ScoreRequest(prompt=prompt, choices=choices))
    assert TRAILER.encode() not in await ended(node, "Tokenize", pb.TokenizeRequest(prompt=prompt))


async def test_a_refusal_has_its_details_and_a_report() -> None:
    service = FakeService(script=failing(Exhausted("full")))
    async with running(service, settings()) as node:
        answer = await ended(node, "Generate", pb.GenerateRequest(prompt="x"))
    assert TRAILER.encode() in answer
    assert b"grpc-status-details-bin" in answer


async def test_a_stranger_hears_nothing_of_the_load(tmp_path: Path) -> None:
    (tmp_path / "tokens.toml").write_text(f'planner = ["{hash_of("secret")}"]')
    closed = settings(tokens_file=str(tmp_path / "tokens.toml"))
    async with running(FakeService(), closed) as node:
        for method in ("Generate", "Score"):
            answer = await ended(node, method, pb.GenerateRequest(prompt="x"))
            assert b"a bearer token" in answer
            assert TRAILER.encode() not in answer


async def test_while_the_issuers_keys_are_unread_strangers_hear_nothing_of_the_load() -> None:
    """A token of the right shape is all that it takes to get here."""
    unread = settings(jwks="https://127.0.0.1:1/keys", jwt_issuer="i", jwt_audience="a")
    token = [(b"authorization", b"Bearer e30.e30.AAAA")]
    async with running(FakeService(), unread) as node:
        path, body = "/xapp.inference.v1.InferenceService/Generate", pb.GenerateRequest(prompt="x")
        answer = await raw_http2.call(node.port, path, body.SerializeToString(), token)
    assert b"keys of the tokens' issuer" in answer
    assert TRAILER.encode() not in answer


def load_of(node: Node) -> "open_rca_pb2_grpc.OpenRcaServiceAsyncStub":
    return open_rca_pb2_grpc.OpenRcaServiceStub(node.channel)


def every(seconds: float) -> open_rca_pb2.OrcaLoadReportRequest:
    request = open_rca_pb2.OrcaLoadReportRequest()
    request.report_interval.FromNanoseconds(int(seconds * 1e9))
    return request


async def test_load_is_streamed(node: Node) -> None:
    stream = load_of(node).StreamCoreMetrics(every(0.25))
    for _ in range(2):
        report = await stream.read()
        assert isinstance(report, OrcaLoadReport)
        assert report.named_metrics["queued"] == STATS.num_waiting
    stream.cancel()


async def test_load_streams_are_bounded_and_free_their_place(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_rca_servicer, "MAX_STREAMS", 1)
    async with running(FakeService(), settings()) as bounded:
        first = load_of(bounded).StreamCoreMetrics(every(60))
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await load_of(bounded).StreamCoreMetrics(every(60)).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()


async def test_load_streams_end_with_the_server() -> None:
    async with asyncio.timeout(20):
        async with running(FakeService(), settings()) as node:
            stream = load_of(node).StreamCoreMetrics(every(60))
            await stream.read()


@pytest.mark.parametrize(("asked_s", "given_s"), [(0.0, 0.25), (1.5, 1.5), (3600.0, 60.0), (-5.0, 0.25)])
def test_an_interval_is_as_wanted_within_reason(asked_s: float, given_s: float) -> None:
    assert interval_of(every(asked_s)) == given_s
    assert interval_of(open_rca_pb2.OrcaLoadReportRequest()) == 1.0
