import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.speech.synthesis.sentences import MAX_CHARS, Sentences, sentences, speakable


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith pays 3.50 dollars. Good.", ["Dr. Smith pays 3.50 dollars.", "Good."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("First line\nsecond line", ["First line", "second line"]),
        ("1. Check the power. 2. Call.", ["1. Check the power.", "2. Call."]),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


@given(st.text(max_size=3000), st.integers(1, 50))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, size: int) -> None:
    pieces = Sentences(early=True)
    found: list[str] = []
    for at in range(0, len(text), size):
        found += pieces.feed(text[at : at + size])
    found += pieces.end()
    assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)
    assert all(len(piece) <= MAX_CHARS for piece in found)


def test_the_first_piece_may_be_a_clause() -> None:
    text = "A near-real-time controller, which is close to the cells, decides. It is quick."
    assert next(Sentences(early=True).feed(text)) == "A near-real-time controller,"
    assert sentences(text)[0].endswith("decides.")


def test_the_first_piece_is_short_where_audio_has_to_come_early() -> None:
    text = "A radio network of a large operator consists of very many sites across the whole country."
    first, *_ = Sentences(early=True).feed(text)
    assert 24 < len(first) <= 80
    assert text.startswith(f"{first} ")
    assert sentences(text) == [text]


def test_a_megabyte_without_an_end() -> None:
    found = sentences("word " * 200_000)
    assert sum(map(len, found)) > 900_000
    assert max(map(len, found)) <= MAX_CHARS


def test_control_characters_and_marks_are_not_spoken() -> None:
    assert speakable("a\x00b\x1b[31m\u202e **bold** <speak>[[h@l]]").split() == [
        *("a", "b", "31m", "bold", "speak", "h@l")
    ]
