"""`[speech]`: recognition, synthesis, translation and spoken conversations. All are off by default."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.config.values import Positive

Milliseconds = Annotated[int, Meta(ge=100, le=5000)]


class SpeechSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`recognition` is a Whisper model in CTranslate2's format: a folder, or the name of a packaged model.

    `synthesis` has engines, separated by commas, the first is preferred: `hibari`, `espeak`. `translation`
    has engines, too: `apertium`, `llm`, and PAIR=FOLDER of a CTranslate2 model, `en-de=/models/en-de`. "" is
    off. `pause_ms` of silence end an utterance. An utterance that goes on is recognised again every
    `interim_ms`. `max_streams` bounds calls of speech, `max_audio_s` the audio of a call that is not a
    stream, `max_text_chars` a text to speak or to translate. `memory_limit_mb`: how much the work of an
    engine may take beside its model.
    """

    recognition: str = ""
    synthesis: str = ""
    translation: str = ""
    threads: Annotated[int, Meta(ge=1, le=64)] | None = None
    pause_ms: Milliseconds = 500
    interim_ms: Milliseconds = 700
    max_streams: Positive = 8
    max_audio_s: Annotated[int, Meta(ge=1, le=86_400)] = 600
    max_text_chars: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    memory_limit_mb: Annotated[int, Meta(ge=64)] = 1024

    @property
    def on(self) -> bool:
        """Whether any engine is configured."""
        return bool(self.recognition or self.synthesis or self.translation)
