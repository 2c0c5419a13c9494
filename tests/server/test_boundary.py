"""Every guard works for a method of every shape, and what it raises is a status with details."""

import grpc
import pytest

from tests.server.rich import details_of
from tests.server.shapes import SHAPES, body, serving
from xapp import logs
from xapp.config import Settings
from xapp.errors import Exhausted
from xapp.security import principal
from xapp.security.access import Access
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.authentication import authenticating
from xapp.server.call import Call, Guard
from xapp.server.correlation import name_call
from xapp.server.receipt import Receipts
from xapp.server.request import reading
from xapp.server.wire import MAX_FIELDS

each_shape = pytest.mark.parametrize("method", SHAPES)


def guards() -> tuple[Guard, ...]:
    """Those of a node."""
    return (authenticating(Access(Settings()), frozenset()), reading(Receipts(1 << 20)), name_call)


@each_shape
async def test_a_call_is_answered(method: str) -> None:
    async with serving(guards()) as server:
        answers, _ = await server.call(method, "a", "b")
    expected = {"UnaryUnary": ["a"], "UnaryStream": ["a", "a"], "StreamUnary": ["a b"]}
    assert answers == expected.get(method, ["a", "b"])


@each_shape
async def test_a_call_has_its_principal_and_its_name(method: str) -> None:
    seen: list[tuple[Principal, str]] = []
    async with serving(
        guards(), lambda: seen.append((principal.current.get(), logs.correlation_id.get()))
    ) as server:
        _, call = await server.call(
            method, "a", metadata=[("x-client-id", "planner"), ("x-correlation-id", "r1")]
        )
        assert dict(await call.initial_metadata())["x-correlation-id"] == "r1"
        await server.call(method, "a")
    assert seen[0] == (Principal("planner", proved=False), "r1")
    assert seen[-1][0] == ANONYMOUS
    assert len(seen[-1][1]) == 32, "a call without a name gets one"


@each_shape
async def test_guards_run_once_each_in_their_order(method: str) -> None:
    ran: list[str] = []

    def guard(name: str) -> Guard:
        async def run(call: Call) -> None:
            ran.append(f"{name} {call.method.path}")

        return run

    async with serving((guard("first"), *guards(), guard("last"))) as server:
        await server.call(method, "a", "b", "c")
    assert ran == [f"first /tests.shapes.Shapes/{method}", f"last /tests.shapes.Shapes/{method}"]


@each_shape
@pytest.mark.parametrize("place", [0, 1, 2, 3])
async def test_any_guard_refuses_before_the_method_runs(method: str, place: int) -> None:
    async def refuse(call: Call) -> None:
        raise Exhausted("too many", reason="TOO_MANY_STREAMS", retry_after_s=2.0)

    before, after = guards()[:place], guards()[place:]
    async with serving((*before, refuse, *after)) as server:
        error = await server.refused(method)
        assert server.servicer.seen == []
        count = server.metrics.rpc_errors.labels(f"/tests.shapes.Shapes/{method}", "RESOURCE_EXHAUSTED")
        assert count._value.get() == 1
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = details_of(error)
    assert details.info.reason == "TOO_MANY_STREAMS"
    assert details.retry is not None


@each_shape
async def test_an_error_of_the_method_is_a_status(method: str) -> None:
    async with serving(guards()) as server:
        error = await server.refused(method, body("fail"))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert details_of(error).info.reason == "NOT_NOW"


@pytest.mark.parametrize("method", [name for name, shape in SHAPES.items() if shape.takes_stream])
async def test_an_error_after_some_messages_is_a_status(method: str) -> None:
    async with serving(guards()) as server:
        error = await server.refused(method, body("a"), body("fail"))
        assert server.servicer.seen == ["a", "fail"]
    assert details_of(error).info.reason == "NOT_NOW"


@each_shape
async def test_a_defect_is_internal_and_says_nothing(method: str) -> None:
    async with serving(guards()) as server:
        error = await server.refused(method, body("break"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "Zero" not in str(error.details())


@each_shape
@pytest.mark.parametrize(
    ("bad", "reason"),
    [(b"\x0a\xff", "MALFORMED_REQUEST"), (b"\x10\x00" * (MAX_FIELDS + 1), "INVALID_ARGUMENT")],
    ids=["malformed", "too many fields"],
)
async def test_a_message_that_cannot_be_parsed_is_the_callers_error(
    method: str, bad: bytes, reason: str
) -> None:
    async with serving(guards()) as server:
        error = await server.refused(method, bad)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error).info.reason == reason


@each_shape
async def test_a_bad_claim_names_its_key(method: str) -> None:
    async with serving(guards()) as server:
        error = await server.refused(method, metadata=[("x-client-id", "x" * 129)])
    assert details_of(error).info.metadata["field"] == "metadata.x-client-id"


@each_shape
async def test_a_refusal_before_the_first_message_has_trailers_only(method: str) -> None:
    """gRPC and Envoy ask no other node where headers have come."""

    def refuse() -> None:
        raise Exhausted("full")

    async with serving(guards(), refuse) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.call(method, "a", metadata=[("x-correlation-id", "r1")])
    assert not caught.value.initial_metadata()
    assert dict(caught.value.trailing_metadata() or ())["x-correlation-id"] == "r1"
