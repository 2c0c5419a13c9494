import random

from perf.lengths.queue_order import BURST, NUM_BURSTS, Wanted, completion

LENGTHS = [20, 25, 30, 40, 300]


def wanted(known: bool) -> list[Wanted]:
    draw = random.Random(0)
    return [Wanted(tokens, tokens if known else draw.choice(LENGTHS)) for tokens in LENGTHS * 20]


def test_lengths_that_are_known_shorten_the_mean() -> None:
    first = completion(wanted(known=True), 1, shortest_first=False)
    shortest = completion(wanted(known=True), 1, shortest_first=True)
    assert shortest.mean / first.mean < 0.8


def test_lengths_that_are_guessed_do_not() -> None:
    first = completion(wanted(known=False), 1, shortest_first=False)
    shortest = completion(wanted(known=False), 1, shortest_first=True)
    assert shortest.mean / first.mean > 0.9


def test_no_answer_takes_less_than_its_own_time() -> None:
    alone = [Wanted(10, 10)]
    assert completion(alone, 1, shortest_first=True).mean >= 10
    assert BURST * NUM_BURSTS > 1000, "a 99th percentile needs answers"
