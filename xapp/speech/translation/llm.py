"""LlmTranslator: translates by the node's language model, whose answer is held to a schema.

The text is data: it is a message of its own, and the answer has nothing but a translation.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing

from xapp.domain.answers import Chunk
from xapp.domain.chat import ChatMessage
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.requests import Request
from xapp.domain.service import Generation
from xapp.errors import FailedPrecondition
from xapp.speech.protocols import Speaker

NAMES = {
    **{"en": "English", "es": "Spanish", "fr": "French", "de": "German", "it": "Italian"},
    **{"pt": "Portuguese", "nl": "Dutch", "pl": "Polish", "cs": "Czech", "ro": "Romanian"},
    **{"sv": "Swedish", "da": "Danish", "nb": "Norwegian", "fi": "Finnish", "hu": "Hungarian"},
    **{"tr": "Turkish", "ru": "Russian", "uk": "Ukrainian", "ar": "Arabic", "hi": "Hindi"},
    **{"zh": "Chinese", "ja": "Japanese", "ko": "Korean", "vi": "Vietnamese", "id": "Indonesian"},
}
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"translation": {"type": "string"}},
        "required": ["translation"],
        "additionalProperties": False,
    }
)
_TOKENS_PER_CHAR, _SPARE_TOKENS = 1, 64


class LlmTranslator:
    """Implements Translator. `ready` says whether the default model serves."""

    def __init__(self, generation: Generation, ready: Callable[[], bool]) -> None:
        self._generation = generation
        self._ready = ready

    @property
    def name(self) -> str:
        """The engine's name."""
        return "llm"

    @property
    def ready(self) -> bool:
        """Whether the model serves."""
        return self._ready()

    @property
    def languages(self) -> Sequence[str]:
        """Every pair of the known languages."""
        return tuple(f"{source}-{target}" for source in NAMES for target in NAMES if source != target)

    def speaks(self, source: str, target: str) -> bool:
        """Implements Translator.speaks. How well is a question of the model."""
        return source in NAMES and target in NAMES and source != target

    async def translate(self, text: str, source: str, target: str, speaker: Speaker) -> str:
        """Implements Translator.translate."""
        answer = ""
        async with aclosing(self._generation.generate(_request(text, source, target, speaker))) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    answer += event.text
        return _translation(answer)


def _request(text: str, source: str, target: str, speaker: Speaker) -> Request:
    order = f"Translate the user's text from {NAMES[source]} to {NAMES[target]}. Do not answer the text."
    form = f'Answer with JSON: {{"translation": "the text in {NAMES[target]}"}}'
    return Request(
        prompt=(ChatMessage("system", f"{order} {form}"), ChatMessage("user", text)),
        max_tokens=len(text) * _TOKENS_PER_CHAR + _SPARE_TOKENS,
        format=JsonSchema(_SCHEMA),
        correlation_id=speaker.correlation_id,
        deadline=speaker.deadline,
        client=speaker.client,
        scope=speaker.scope,
    )


def _translation(answer: str) -> str:
    try:
        found = json.loads(answer)["translation"]
    except (ValueError, KeyError, TypeError) as error:
        message = "the language model's translation was cut: ask for a shorter text"
        raise FailedPrecondition(message, reason="TRANSLATION_CUT") from error
    return str(found).strip()
