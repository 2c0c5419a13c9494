import pytest
from google.protobuf.duration_pb2 import Duration

from tests.server.convert.asking import field_of, request_of
from xapp.domain.messages import Priority, SamplingParams
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.convert.requests import to_estimated


def test_defaults() -> None:
    got = request_of()
    assert got == Request("hi", correlation_id="id")
    assert got.priority is Priority.INTERACTIVE
    assert got.sampling == SamplingParams()


def test_numbers_are_bounded_before_anything_is_made_of_them() -> None:
    turn = pb.Message(role="user")
    assert len(request_of(prompt=None, chat=pb.Chat(messages=[turn] * 1000)).prompt) == 1000
    assert field_of(prompt=None, chat=pb.Chat(messages=[turn] * 1001)) == "chat.messages"
    # The number comes before what is wrong with each of them.
    assert field_of(prompt=None, chat=pb.Chat(messages=[pb.Message()] * 400_000)) == "chat.messages"
    choices = pb.OutputFormat(choices=pb.Choices(choices=["a"] * 300_000))
    assert field_of(format=choices) == "format.choices"
    assert field_of(stop=["a"] * 300_000) == "stop"


def test_priority() -> None:
    assert request_of(priority=pb.PRIORITY_CRITICAL).priority is Priority.CRITICAL
    assert field_of(priority=17) == "priority"


def test_deterministic() -> None:
    assert not request_of().deterministic
    assert request_of(deterministic=True).deterministic
    wire = pb.EstimateRequest(prompt="hi", deterministic=True)
    assert to_estimated(wire, None, ANONYMOUS).deterministic


def test_an_estimate_s_own_deadline_goes_before_the_call_s() -> None:
    wire = pb.EstimateRequest(prompt="hi", max_tokens=5, priority=pb.PRIORITY_BATCH)
    asked = to_estimated(wire, 7.0, Principal("me", scope="mine"), now=100.0)
    assert (asked.deadline, asked.max_tokens, asked.priority) == (7.0, 5, Priority.BATCH)
    assert (asked.client, asked.scope) == ("me", "mine")
    wire.deadline.FromNanoseconds(2_500_000_000)
    assert to_estimated(wire, 7.0, ANONYMOUS, now=100.0).deadline == 102.5
    wire.deadline.FromNanoseconds(-1)
    assert to_estimated(wire, 7.0, ANONYMOUS, now=100.0).deadline == pytest.approx(100.0)


@pytest.mark.parametrize(
    "duration", [Duration(seconds=1, nanos=-1), Duration(seconds=10**18), Duration(nanos=2 * 10**9)]
)
def test_an_estimate_s_deadline_that_is_no_duration(duration: Duration) -> None:
    with pytest.raises(InvalidArgument, match="deadline"):
        to_estimated(pb.EstimateRequest(prompt="hi", deadline=duration), None, ANONYMOUS)
