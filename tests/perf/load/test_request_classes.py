"""A mix is drawn by its shares."""

import random
from collections import Counter

import pytest

from perf.load.request_classes import Class, draw, parse

MIX = "critical:0.1@1s,interactive:0.6@2500ms,batch:0.3"


def test_a_mix_has_priorities_shares_and_deadlines() -> None:
    assert parse(MIX) == (
        Class("critical", 0.1, 1.0),
        Class("interactive", 0.6, 2.5),
        Class("batch", 0.3, None),
    )


def test_each_class_comes_as_often_as_its_share_says() -> None:
    random_ = random.Random(3)
    found = Counter(draw(parse(MIX), random_).priority for _ in range(10_000))
    assert found["critical"] == pytest.approx(1000, rel=0.15)
    assert found["batch"] == pytest.approx(3000, rel=0.1)


@pytest.mark.parametrize(
    "text", ["", "critical", "urgent:0.5", "critical:0.5@", "critical:1,critical:1", "batch:0", "batch:1@0s"]
)
def test_what_is_no_mix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
