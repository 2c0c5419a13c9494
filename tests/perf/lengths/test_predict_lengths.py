import math
import random

import pytest

from perf.lengths.ask_lengths import UNPARSED, estimate_of, state_of
from perf.lengths.predict_lengths import Item, error_factor, predictions
from xapp.admission.turn import rank_correlation

MOST = 400


def items(count: int = 80) -> list[Item]:
    """Two tasks: short answers, and answers whose length the probe and the estimate know."""
    made = []
    for place in range(count):
        long = place // 2 % 2 == 1
        tokens = 100 + 3 * place if long else 10 + place // 10
        said = {"tokens": float(tokens), "probe": math.log(tokens), "perception": math.log(tokens)}
        made.append(Item(place, "long" if long else "short", f"question {place}", tokens, said))
    return made


def test_a_predictor_that_knows_the_length_is_right() -> None:
    found = items()
    predicted = predictions(found, MOST)["probe"]
    assert predicted.keys() == {item.place for item in found if not item.is_training}
    by_place = {item.place: item for item in found}
    assert error_factor(predicted, by_place) < 1.05
    assert rank_correlation([(tokens, by_place[place].tokens) for place, tokens in predicted.items()]) > 0.95


def test_history_tells_tasks_apart_where_it_knows_them() -> None:
    found = items()
    by_place = {item.place: item for item in found}
    told = predictions(found, MOST)
    agreement = {
        name: rank_correlation([(tokens, by_place[place].tokens) for place, tokens in predicted.items()])
        for name, predicted in told.items()
    }
    assert agreement["history of the task"] > 0.5 > agreement["history"]


def test_no_prediction_learns_from_the_items_that_judge() -> None:
    """Other lengths of the judging items change no prediction that is fitted."""
    found, other = items(), items()
    for item in other:
        if not item.is_training:
            item.tokens = 1
    for name in ("probe", "perception", "prompt"):
        assert predictions(found, MOST)[name] == predictions(other, MOST)[name]


def test_what_was_not_asked_is_not_predicted() -> None:
    found = items()
    for item in found:
        del item.said["probe"], item.said["perception"]
    assert predictions(found, MOST).keys() == {
        "history",
        "history of the task",
        "history and prompt",
        "prompt",
    }


def test_predictions_keep_to_the_limit() -> None:
    found = items()
    for item in found:
        item.said["probe"] *= 1000 if not item.is_training else 1
    assert set(predictions(found, MOST)["probe"].values()) == {MOST}


def test_estimates_without_a_number_are_a_value_of_their_own() -> None:
    found = items()
    for item in found:
        if item.category == "short":
            item.said["perception"] = UNPARSED
    predicted = predictions(found, MOST)["perception"]
    assert max(predicted[item.place] for item in found[1::4]) < 30


@pytest.mark.parametrize(
    ("text", "number"),
    [("About 120 words.", 120), ("1,200", 1200), ("0", None), ("I cannot say.", None), ("", None)],
)
def test_an_estimate_is_the_first_number(text: str, number: int | None) -> None:
    assert estimate_of(text) == (UNPARSED if number is None else pytest.approx(math.log(number)))


def test_the_nodes_own_prediction_uses_prompts_that_tell() -> None:
    found = items(240)
    for item in found:
        item.text = "word " * item.tokens
    by_place = {item.place: item for item in found}
    told = predictions(found, 2 * MOST)
    late = {place for place in by_place if place > 120 and place % 2}
    error = {
        name: error_factor({place: told[name][place] for place in late}, by_place)
        for name in ("history", "history and prompt")
    }
    assert error["history and prompt"] < 1.5 < 2 < error["history"]


def test_a_hidden_state_of_more_numbers_than_items_is_no_reason_to_learn_noise() -> None:
    found, draw = items(), random.Random(1)
    for item in found:
        state = [math.log(item.tokens), *(draw.gauss(0, 1) for _ in range(120))]
        item.said |= {f"hidden.{index}": value for index, value in enumerate(state)}
    by_place = {item.place: item for item in found}
    told = predictions(found, MOST)["hidden state"]
    agreement = rank_correlation([(tokens, by_place[place].tokens) for place, tokens in told.items()])
    assert agreement > 0.4
    assert state_of(found[0].said)[0] == math.log(found[0].tokens)
    assert not state_of({"tokens": 3.0})
