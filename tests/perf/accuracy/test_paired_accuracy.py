import pytest

from perf.accuracy.paired_accuracy import compared, item, requests
from perf.accuracy.question_tasks import By, Candidate, Task, candidates
from perf.accuracy.scorer import Scored, Scores, Token
from perf.targets.target import TargetError
from tests.perf.accuracy.scoring import CHOICE


def scored(*pieces: str, each: float = -1.0) -> Scored:
    tokens = tuple(Token(piece.encode(), each) for piece in pieces)
    return Scored("".join(pieces), each * len(pieces), tokens)


def test_a_part_is_the_tokens_that_begin_in_it() -> None:
    whole = scored(" mast", " was", " taller", ".")
    assert compared(whole, Candidate("The", " mast was taller.", len(" was taller."))) == (-3.0, 3)
    assert compared(whole, Candidate("The", " mast was taller.")) == (-4.0, 4)


def test_a_token_over_the_parts_beginning_stays_out() -> None:
    over = scored(" ma", "st was", " taller", ".")
    assert compared(over, Candidate("The", " mast was taller.", len(" was taller."))) == (-2.0, 2)


def test_a_token_that_begins_before_the_text_changes_nothing() -> None:
    spanning = scored("the ma", "st", " was", ".")
    assert compared(spanning, Candidate("… the", " mast was.", len(" was."))) == (-2.0, 2)


def test_pieces_of_a_character_are_counted_in_bytes() -> None:
    tokens = (Token(b" mast", -1.0), Token(b" w\xc3", -2.0), Token(b"\xa4r", -4.0))
    assert compared(Scored(" mast wär", -7.0, tokens), Candidate("", " mast wär", 5)) == (-6.0, 2)


def test_tokens_that_do_not_cover_the_part_are_an_error() -> None:
    with pytest.raises(TargetError, match="do not cover"):
        compared(scored("r."), Candidate("The", " mast was taller.", 5))


def test_a_text_is_asked_for_once() -> None:
    found = requests([Candidate("a", "x"), Candidate("b", "x"), Candidate("a", "y"), Candidate("a", "x")])
    assert found == {"a": ["x", "y"], "b": ["x"]}


def scores(*values: float) -> dict[str, Scores]:
    texts = candidates(CHOICE, Task.MMLU, By.TEXT)
    found = (Scored(each.text, value, ()) for each, value in zip(texts, values, strict=True))
    return {texts[0].prompt: Scores(7, tuple(found))}


def test_the_likeliest_is_picked_and_of_equals_the_first() -> None:
    texts = candidates(CHOICE, Task.MMLU, By.TEXT)
    found = item(CHOICE, texts, scores(-3.0, -2.0, -2.0), model="m", seconds=1.5)
    assert (found.picked, found.right, found.is_right) == (1, 2, False)
    assert found.compared == found.log_probabilities == [-3.0, -2.0, -2.0]
    assert (found.num_compared_bytes, found.num_prompt_tokens) == ([4, 4, 10], 7)
    assert (found.id, found.line, found.category, found.seconds) == ("c1", 2, "radio", 1.5)


def test_a_text_that_was_not_scored_is_an_error() -> None:
    texts = [*candidates(CHOICE, Task.MMLU, By.TEXT), Candidate("Question: Which is a band?\nAnswer:", " x")]
    with pytest.raises(TargetError, match="did not score ' x'"):
        item(CHOICE, texts, scores(-3.0, -2.0, -2.0), model="m", seconds=1.5)
