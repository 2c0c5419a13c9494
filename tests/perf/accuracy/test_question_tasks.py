import pytest

from perf.accuracy.question_tasks import By, Candidate, Task, candidates
from perf.data.questions import Winogrande
from tests.perf.accuracy.scoring import CHOICE, SENTENCE


def test_both_options_are_filled_in_and_the_rest_is_compared() -> None:
    assert candidates(SENTENCE, Task.WINOGRANDE, By.LETTER) == [
        Candidate("The antenna beat the mast because the", " antenna was taller.", len(" was taller.")),
        Candidate("The antenna beat the mast because the", " mast was taller.", len(" was taller.")),
    ]


def test_the_rest_is_counted_in_bytes() -> None:
    question = Winogrande("w", 1, "Die _ wäre größer.", ("Antenne", "Säule"), 0)
    assert candidates(question, Task.WINOGRANDE, By.LETTER)[1].compared_bytes == len(" wäre größer.".encode())


def test_a_blank_at_the_beginning_makes_the_option_the_prompt() -> None:
    question = Winogrande("w", 1, "_ is taller.", ("It", "That"), 0)
    assert candidates(question, Task.WINOGRANDE, By.LETTER) == [
        Candidate("It", " is taller."),
        Candidate("That", " is taller."),
    ]


def test_a_blank_without_a_space_before_it_stays_where_it_is() -> None:
    question = Winogrande("w", 1, "He said (_ is taller).", ("it", "that"), 0)
    assert candidates(question, Task.WINOGRANDE, By.LETTER)[0] == Candidate(
        "He said (", "it is taller).", len(" is taller).")
    )


def test_letters_follow_the_question_with_all_choices() -> None:
    first, *_ = found = candidates(CHOICE, Task.MMLU, By.LETTER)
    assert [each.text for each in found] == [" A", " B", " C"]
    assert first.prompt == (
        "The following is a multiple choice question (with its answer) about radio.\n\n"
        "Which is a band?\nA. n78\nB. cat\nC. n77 or so\nAnswer:"
    )


@pytest.mark.parametrize("task", [Task.MMLU, Task.ORAN_BENCH])
def test_texts_follow_the_question_alone(task: Task) -> None:
    found = candidates(CHOICE, task, By.TEXT)
    assert [each.text for each in found] == [" n78", " cat", " n77 or so"]
    assert {each.prompt for each in found} == {"Question: Which is a band?\nAnswer:"}


def test_a_difficulty_is_no_subject() -> None:
    assert "about O-RAN." in candidates(CHOICE, Task.ORAN_BENCH, By.LETTER)[0].prompt
