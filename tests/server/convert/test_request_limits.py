import pytest
from google.protobuf.duration_pb2 import Duration

from tests.server.convert.asking import field_of, request_of
from xapp.domain.requests import DeadlinePolicy
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS
from xapp.server.convert.requests import to_estimated


@pytest.mark.parametrize("value", [0, -1, -(2**31)])
def test_max_tokens(value: int) -> None:
    assert field_of(max_tokens=value) == "max_tokens"


def test_stop_texts() -> None:
    assert field_of(stop=["x"] * 17) == "stop"
    assert field_of(stop=["x", ""]) == "stop[1]"
    assert field_of(stop=["ü" * 129]) == "stop[0]"
    assert request_of(stop=["ü" * 128]).stop == ("ü" * 128,)


@pytest.mark.parametrize(
    ("wire", "policy"),
    [
        (pb.DEADLINE_POLICY_UNSPECIFIED, DeadlinePolicy.REJECT),
        (pb.DEADLINE_POLICY_REJECT, DeadlinePolicy.REJECT),
        (pb.DEADLINE_POLICY_BEST_EFFORT, DeadlinePolicy.BEST_EFFORT),
    ],
)
def test_deadline_policy(wire: pb.DeadlinePolicy.ValueType, policy: DeadlinePolicy) -> None:
    assert request_of(deadline_policy=wire).deadline_policy is policy
    assert field_of(deadline_policy=7) == "deadline_policy"


def test_max_token_gap() -> None:
    assert request_of().max_gap_s is None
    assert request_of(max_token_gap=Duration(nanos=150_000_000)).max_gap_s == pytest.approx(0.15)
    wire = pb.EstimateRequest(prompt="hi", max_token_gap=Duration(seconds=2))
    assert to_estimated(wire, None, ANONYMOUS).max_gap_s == 2


@pytest.mark.parametrize("gap", [Duration(), Duration(seconds=-1), Duration(seconds=1, nanos=-1)])
def test_a_gap_that_is_none_is_refused(gap: Duration) -> None:
    assert field_of(max_token_gap=gap) == "max_token_gap"
