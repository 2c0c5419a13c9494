import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import InvalidArgument
from xapp.speech.fakes import FakeTranslator
from xapp.speech.protocols import Speaker
from xapp.speech.translation.phrases import MAX_PHRASES, to_phrases, translate_around
from xapp.speech.translation.translations import Translations


async def translated(text: str, phrases: dict[str, str], engine: FakeTranslator | None = None) -> str:
    pair = Translations([engine or FakeTranslator()]).find("", "en-us", "es")
    return await pair.translate(text, phrases, Speaker())


def test_phrases_of_the_wire() -> None:
    wire = ["O-RAN", "near-RT RIC##RIC casi en tiempo real,E2", " "]
    assert to_phrases("f", wire) == {"O-RAN": "O-RAN", "near-RT RIC": "RIC casi en tiempo real", "E2": "E2"}


def test_too_many_phrases() -> None:
    with pytest.raises(InvalidArgument, match="at most"):
        to_phrases("dnt_phrases", [f"p{number}" for number in range(MAX_PHRASES + 1)])
    with pytest.raises(InvalidArgument, match="characters"):
        to_phrases("dnt_phrases", ["p" * 201])


async def test_a_phrase_stays() -> None:
    assert await translated("the O-RAN node", {"O-RAN": "O-RAN"}) == "THE O-RAN NODE"
    assert await translated("the node", {"O-RAN": "O-RAN"}) == "THE NODE"


async def test_a_phrase_is_a_whole_word() -> None:
    assert await translated("E2 and E25", {"E2": "e2"}) == "e2 AND E25"


async def test_a_phrase_that_the_engine_loses_stays_as_well() -> None:
    engine = FakeTranslator(loses=["Xq0z"])
    assert await translated("ask the O-RAN node.", {"O-RAN": "O-RAN"}, engine) == "ASK THE O-RAN NODE."


@given(st.lists(st.sampled_from(["alpha", "be ta", "(g)", "x.y"]), max_size=5), st.text("ab .", max_size=20))
def test_every_phrase_comes_back(parts: list[str], between: str) -> None:
    phrases = {"alpha": "A-1", "be ta": "B-2", "(g)": "(g)", "x.y": "x.y"}
    text = f" {between} ".join(parts)

    async def capitals(part: str) -> str:
        return part.replace("Xq1z", "")

    answer = asyncio.run(translate_around(text, phrases, capitals))
    for part in set(parts):
        assert answer.count(phrases[part]) >= parts.count(part)
