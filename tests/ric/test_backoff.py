from xapp.ric.backoff import Backoff


def test_waits_double_up_to_a_most_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(1, 8, jitter=lambda least, most: most)
    assert [backoff.next_s() for _ in range(6)] == [1, 2, 4, 8, 8, 8]
    backoff.reset()
    assert backoff.next_s() == 1


def test_jitter_keeps_at_least_half() -> None:
    drawn = [Backoff(4, 4).next_s() for _ in range(200)]
    assert 2 <= min(drawn) < max(drawn) <= 4


def test_an_hour_of_failures_is_few_tries() -> None:
    backoff = Backoff(jitter=lambda least, most: least)
    assert sum(backoff.next_s() for _ in range(130)) > 3600
