"""Speech: the engines of a node, as its services see them."""

from collections.abc import Callable
from typing import Protocol

from xapp.speech.protocols import Recogniser
from xapp.speech.synthesis.voices import Voices
from xapp.speech.translation.translations import Translations


class Speech(Protocol):
    """What a node can hear, say and translate. `node` has the real one."""

    @property
    def recogniser(self) -> Recogniser | None:
        """None where no engine recognises."""
        ...

    @property
    def voices(self) -> Voices:
        """The engines that speak, perhaps none."""
        ...

    @property
    def translations(self) -> Translations:
        """The engines that translate, perhaps none."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when an engine's state may have changed. Returns a function that ends this."""
        ...


def recognises(speech: Speech) -> bool:
    """Whether recognition is ready."""
    return speech.recogniser is not None and speech.recogniser.ready


def speaks(speech: Speech) -> bool:
    """Whether synthesis is ready."""
    return any(engine.ready for engine in speech.voices.engines)


def translates(speech: Speech) -> bool:
    """Whether translation is ready."""
    return any(engine.ready for engine in speech.translations.engines)
