"""Translations: which engine translates a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xapp.errors import InvalidArgument, NotFound
from xapp.speech.languages import base
from xapp.speech.protocols import Speaker, Translator
from xapp.speech.translation.phrases import translate_around


@dataclass(frozen=True, slots=True)
class Pair:
    """An engine for a pair of languages."""

    engine: Translator
    source: str
    target: str

    async def translate(self, text: str, phrases: Mapping[str, str], speaker: Speaker) -> str:
        """The translation, with the phrases kept."""

        async def translate(part: str) -> str:
            return await self.engine.translate(part, self.source, self.target, speaker)

        return await translate_around(text, phrases, translate) if text.strip() else text


class Translations:
    """The engines that translate, the preferred engine first."""

    def __init__(self, engines: Sequence[Translator]) -> None:
        self.engines = tuple(engines)

    def find(self, engine: str, source: str, target: str) -> Pair:
        """The engine of this name, or the first that knows the pair. Languages are codes such as "en-us".

        Raises NotFound for an unknown engine, InvalidArgument for an unknown pair.
        """
        among = [each for each in self.engines if engine in {"", each.name}]
        if not among:
            known = ", ".join(dict.fromkeys(each.name for each in self.engines))
            raise NotFound(f"no engine {engine[:80]!r} translates here; there are {known}")
        for each in among:
            if each.speaks(base(source), base(target)):
                return Pair(each, base(source), base(target))
        raise InvalidArgument("target_language", _unknown(source, target, among), reason="UNKNOWN_PAIR")


def _unknown(source: str, target: str, engines: Sequence[Translator]) -> str:
    known = dict.fromkeys(pair for each in engines if each.name != "llm" for pair in each.languages)
    listed = f"; the pairs are {', '.join(known)}" if known else ""
    return f"nobody here translates from {source!r} to {target!r}{listed}"
