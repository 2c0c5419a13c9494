import pytest

from perf.network.link_shape import Shape, parse_loss, parse_rate, parse_time
from perf.network.virtual_link import netem


def test_what_a_user_writes() -> None:
    assert parse_time("50ms") == pytest.approx(0.05)
    assert parse_time("0.2s") == pytest.approx(0.2)
    assert parse_rate("10mbit") == 10e6
    assert parse_rate("2.5 Gbit") == 2.5e9
    assert parse_loss("0") == 0
    assert parse_loss("1%") == pytest.approx(0.01)
    assert parse_loss("0.01") == pytest.approx(0.01)


@pytest.mark.parametrize("text", ["", "fast", "-1ms", "50", "50 minutes", "11s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)):
        parse_time(text)


@pytest.mark.parametrize("text", ["10", "0bit", "10mb"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)):
        parse_rate(text)


def test_a_network_that_loses_most_packets_is_refused() -> None:
    with pytest.raises(ValueError, match="more than half"):
        parse_loss("60%")


def test_half_of_the_round_trip_goes_each_way() -> None:
    words = netem(Shape(rtt_s=0.05, rate=10e6, loss=0.01))
    assert words == ["netem", "limit", "1000", "delay", "25000us", "rate", "10000000bit", "loss", "1.0000%"]
    assert "rate" not in netem(Shape(rtt_s=0.05))


def test_without_any_of_them_nothing_is_shaped() -> None:
    assert not Shape()
    assert Shape(loss=0.1)
    assert str(Shape(0.05, 10e6)) == "round trip 50 ms, 10 Mbit/s, loss 0 each way"
