import pytest

from xapp.errors import ConfigError
from xapp.failpoints.spec import POINTS, Rule, parse


def test_entries_have_a_probability_a_count_and_a_value() -> None:
    spec = parse("decode=1.5%kill; inbox=2*short ;load=25%3*delay(0.5);seed=7")
    assert spec.seed == 7
    assert spec.rules == (
        Rule("decode", "kill", 0.015),
        Rule("inbox", "short", count=2),
        Rule("load", "delay", 0.25, 3, 0.5),
    )


def test_nothing_is_no_rule() -> None:
    assert parse("").rules == parse(" ; ").rules == ()


@pytest.mark.parametrize("action", ["kill", "stop", "delay", "error"])
def test_every_point_but_the_clock_takes_every_action(action: str) -> None:
    assert all(parse(f"{point}={action}").rules for point in POINTS if point != "clock")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("decod=kill", "no such point, there are inbox"),
        ("decode=explode", "decode can delay, error, kill, stop"),
        ("decode=short", "decode can"),
        ("decode", "is not POINT="),
        ("decode=200%kill", "more than 100 %"),
        ("decode=kill(3)", "kill has no value"),
        ("decode=delay(1e9)", "is not POINT="),
        ("decode=delay(61)", "more than 60 s"),
        ("seed=-1", "is not POINT="),
        ("clock=kill", "clock can shift"),
    ],
)
def test_a_wrong_entry_names_the_key_and_the_entry(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"load=delay; {text}")
    assert caught.value.key == "XAPP_FAILPOINTS"
    assert text in caught.value.message
    assert says in caught.value.message
