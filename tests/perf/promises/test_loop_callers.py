from itertools import pairwise

import msgspec
import pytest

from perf.load.load_samples import Request
from perf.promises.loop_callers import Closed, Command, Open, carry_out, connect
from perf.targets.fake_target import Behaviour, FakeTarget
from perf.targets.target import CompletionRequest, Turn
from tests.perf.virtual import run

SECOND = Behaviour(num_slots=2, decode_token_s=0.1)
"""10 tokens take a second."""


def requests_of(count: int, deadline_s: float | None = None) -> list[CompletionRequest]:
    return [
        CompletionRequest(f"number {index}", 10, ignore_eos=True, deadline_s=deadline_s)
        for index in range(count)
    ]


def load(command: Command, behaviour: Behaviour = SECOND) -> list[Request]:
    return run(carry_out(FakeTarget(behaviour), command))


def test_callers_ask_again_until_they_are_cut() -> None:
    requests = load(Closed(requests_of(20), concurrency=2, duration_s=2.5))
    assert [each.error for each in requests] == ["", "", "", "", "cut", "cut"]
    assert max(each.end_s for each in requests) == pytest.approx(2.5)


def test_callers_end_with_their_requests() -> None:
    assert [each.error for each in load(Closed(requests_of(3), concurrency=2))] == [""] * 3


def test_arrivals_wait_for_nobody() -> None:
    requests = load(Open(requests_of(4, deadline_s=1.2), [0.0, 0.1, 0.2, 0.3]))
    assert [each.scheduled_s for each in requests] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [each.error for each in requests] == ["", "", "deadline", "deadline"]


def test_refusals_are_samples_too() -> None:
    full = Behaviour(num_slots=1, queue=0, decode_token_s=0.1)
    assert [each.error for each in load(Open(requests_of(2), [0.0, 0.1]), full)] == ["", "refused"]


def test_requests_are_in_the_order_of_asking() -> None:
    requests = load(Open(requests_of(4), [0.0, 0.0, 0.0, 0.0]))
    assert all(one.index < other.index for one, other in pairwise(requests))


def test_a_server_that_is_gone_ends_the_callers() -> None:
    with pytest.raises(ExceptionGroup):
        load(Open(requests_of(2), [0.0, 0.1]), Behaviour(decode_token_s=0.1, lost_at=0.5))


@pytest.mark.parametrize(
    "given",
    [
        CompletionRequest("text", 3, deadline_s=1.5),
        CompletionRequest((Turn("user", "a"), Turn("user", "b")), 3),
    ],
)
def test_commands_survive_json(given: CompletionRequest) -> None:
    command = Open([given], [0.5], 3.0)
    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command


def test_an_unknown_kind_of_server_is_named() -> None:
    with pytest.raises(SystemExit, match="smtp"):
        connect("smtp", "127.0.0.1:1")
