"""How long a request would wait now, and how long requests may wait: what load reports are made of."""

import pytest

from tests.service.virtual_node import SLOTS, VirtualNode, Wanted

LONG = 200
STEP_S = 0.01 + 0.003 * SLOTS


def waits(num_requests: int, within_s: float = 1e6) -> tuple[float, float]:
    """Predicted when the last of so many equal requests had come; and the mean budget."""
    node = VirtualNode()
    seen: list[float] = []
    wanted = [Wanted(0.1 * number, 16, LONG, within_s) for number in range(num_requests)]
    tell = node.tell

    def spy(events: object) -> None:
        tell(events)  # type: ignore[arg-type]
        if node._last_id == num_requests and not seen:
            seen.append(node._admission.wait_s())

    node.tell = spy  # type: ignore[method-assign]
    node.open_loop(wanted)
    return seen[0], node._admission.budget_s


def test_a_free_slot_is_there_after_the_running_step() -> None:
    assert VirtualNode()._admission.wait_s() == 0
    assert waits(SLOTS - 1)[0] < STEP_S


def test_more_wait_longer() -> None:
    some, many = waits(SLOTS + 4)[0], waits(3 * SLOTS)[0]
    assert 0 < some < many


def test_the_budget_is_what_requests_leave() -> None:
    assert VirtualNode()._admission.budget_s == float("inf")
    assert waits(4, within_s=60)[1] == pytest.approx(60)
