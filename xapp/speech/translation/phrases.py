"""Phrases that a translation leaves as they are, or replaces by a given text."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from xapp.errors import InvalidArgument

MAX_PHRASES = 300
MAX_CHARS = 200
_PLACE = "Xq{}z"
"""A word that no language has. Engines leave it, mostly."""

Translate = Callable[[str], Awaitable[str]]


def to_phrases(field: str, wire: Sequence[str]) -> dict[str, str]:
    """Phrase → its text in the translation. A wire text is "PHRASE" or "PHRASE##TEXT", several by commas.

    Raises InvalidArgument.
    """
    parts = [part.strip() for each in wire for part in each.split(",")]
    phrases = {
        phrase: text or phrase for phrase, _, text in (part.partition("##") for part in parts) if phrase
    }
    if len(phrases) > MAX_PHRASES:
        raise InvalidArgument(field, f"has {len(phrases)} phrases, at most {MAX_PHRASES} are taken")
    for phrase in phrases:
        if len(phrase) > MAX_CHARS:
            raise InvalidArgument(field, f"a phrase has more than {MAX_CHARS} characters")
    return phrases


async def translate_around(text: str, phrases: Mapping[str, str], translate: Translate) -> str:
    """The translation with the phrases kept.

    The phrases are replaced by places. If the engine loses a place, the texts between the phrases are
    translated each for itself.
    """
    found = _pattern(phrases).findall(text) if phrases else []
    if not found:
        return await translate(text)
    places = [_PLACE.format(number) for number in range(len(found))]
    marked = _fill(text, phrases, places)
    answer = await translate(marked)
    if all(answer.count(place) == 1 for place in places):
        for place, phrase in zip(places, found, strict=True):
            answer = answer.replace(place, phrases[phrase])
        return answer
    return await _piece_by_piece(text, phrases, translate)


def _fill(text: str, phrases: Mapping[str, str], places: Sequence[str]) -> str:
    left = iter(places)
    return _pattern(phrases).sub(lambda _: next(left), text)


async def _piece_by_piece(text: str, phrases: Mapping[str, str], translate: Translate) -> str:
    parts = re.split(f"({_pattern(phrases).pattern})", text)
    done = [phrases[part] if part in phrases else await _between(part, translate) for part in parts]
    return "".join(done)


async def _between(text: str, translate: Translate) -> str:
    """Spaces and marks around words stay."""
    match = re.fullmatch(r"(\W*)(.*?)(\W*)", text, re.DOTALL)
    assert match is not None
    before, words, after = match.groups()
    return before + (await translate(words) if words else "") + after


def _pattern(phrases: Mapping[str, str]) -> re.Pattern[str]:
    """The longest phrase first; whole words only."""
    longest = sorted(phrases, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in longest))
