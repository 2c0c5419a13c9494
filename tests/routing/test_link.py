"""What the link remembers of the upstream."""

import pytest

from xapp.routing.link import MAX_PAUSE_S, Link


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_pause_doubles_up_to_its_bound() -> None:
    clock = Clock()
    link = Link(4, clock)
    pauses = []
    for _ in range(8):
        link.failed()
        began = clock.now
        while link.is_down:
            clock.now += 0.5
        pauses.append(clock.now - began)
    assert pauses == [1, 2, 4, 8, 16, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S]


def test_a_single_request_tries_after_a_failure() -> None:
    clock = Clock()
    link = Link(4, clock)
    link.failed()
    clock.now = 2.0
    with link.hold():
        assert link.is_full
    link.began(0.1)
    with link.hold():
        assert not link.is_full


def test_the_slow_answers_count() -> None:
    link = Link(4)
    assert (link.first_s, link.completion_s(100)) == (0.0, 0.0)
    for first_s in [0.1] * 9 + [2.0]:
        link.began(first_s)
    link.ended(11, 1.0)
    assert link.first_s == 2.0
    assert link.completion_s(21) == pytest.approx(4.0)


def test_idle_follows_the_requests() -> None:
    link = Link(4)
    with link.hold(), link.hold():
        assert not link.idle.is_set()
    assert link.idle.is_set()
