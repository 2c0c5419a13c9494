from xapp.speech.conversation.events import Arrivals


def test_the_time_of_audio_is_that_of_the_piece_that_brought_it() -> None:
    arrivals = Arrivals()
    for number in range(1, 11):
        arrivals.add(number * 0.1, 100.0 + number)
    assert arrivals.when(0.25) == 103.0
    assert arrivals.when(99.0) == 110.0, "what is not here yet came last"


def test_three_hours_of_audio_are_remembered_for_a_while_only() -> None:
    arrivals = Arrivals()
    for number in range(1, 3 * 3600 * 100):
        arrivals.add(number / 100, float(number))
    assert len(arrivals._until) == len(arrivals._at) <= 2 * arrivals.most
    assert arrivals.when(3 * 3600 - 1.0) == 3 * 3600 * 100 - 100
