"""The engine that translates one pair of languages: a CTranslate2 model, such as Opus-MT.

Its SentencePiece models are `source.spm` and `target.spm` in the same folder. Needs the speech extra.
"""

from pathlib import Path

import ctranslate2
import sentencepiece

from xapp.speech.engine.process import EngineSettings, Link
from xapp.speech.messages import Loaded, ToEngine, Translate, Translated
from xapp.speech.synthesis.sentences import sentences

_BEAMS = 2
_MOST_TOKENS = 512


class Model:
    """Translates sentence by sentence."""

    def __init__(self, folder: str, num_threads: int) -> None:
        self._model = ctranslate2.Translator(folder, device="cpu", intra_threads=num_threads)
        self._source = _pieces(folder, "source.spm")
        self._target = _pieces(folder, "target.spm")

    def translate(self, text: str) -> str:
        """The translation of all sentences."""
        tokens = [[*self._source.encode(each, out_type=str), "</s>"] for each in sentences(text)]
        results = self._model.translate_batch(tokens, beam_size=_BEAMS, max_decoding_length=_MOST_TOKENS)
        return " ".join(self._target.decode(result.hypotheses[0]) for result in results)


class Translations:
    """Answers Translate."""

    def __init__(self, link: Link, model: Model) -> None:
        self._link = link
        self._model = model

    def handle(self, message: ToEngine) -> None:
        """A dropped text is translated all the same: it takes a moment."""
        if isinstance(message, Translate):
            self._link.send(Translated(message.job, self._model.translate(message.text)))


def load(model: str, settings: EngineSettings, link: Link) -> tuple[Translations, Loaded]:
    """Raises OSError, RuntimeError and ValueError."""
    return Translations(link, Model(model, settings.threads)), Loaded("ctranslate2")


def _pieces(folder: str, name: str) -> sentencepiece.SentencePieceProcessor:
    path = Path(folder, name)
    if not path.is_file():
        raise ValueError(f"it has no {name}")
    return sentencepiece.SentencePieceProcessor(model_file=str(path))
