"""ApertiumTranslator: translates by the rules of the program Apertium, one process a text.

Apertium is GPL: it is a program beside this one, never a part of it.
"""

import re
import shutil
from collections.abc import Sequence

from xapp.errors import ConfigError
from xapp.speech.engine.programs import output_of
from xapp.speech.protocols import Speaker

PROGRAM = "apertium"
_CPU_S, _TIMEOUT_S = 20, 30.0
_MOST_BYTES = 8 << 20
_MODE = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")
_MARK = re.compile(r"[#*@](?=\w)")
"""Apertium marks a word that it could not put into the right form."""
_TWO_LETTERS = {
    **{"eng": "en", "spa": "es", "fra": "fr", "deu": "de", "cat": "ca", "por": "pt", "ita": "it"},
    **{"glg": "gl", "eus": "eu", "nld": "nl", "swe": "sv", "dan": "da", "nob": "nb", "nno": "nn"},
    **{"oci": "oc", "ron": "ro", "pol": "pl", "rus": "ru", "ukr": "uk", "bel": "be", "isl": "is"},
    **{"mkd": "mk", "bul": "bg", "hbs": "sh", "slv": "sl", "epo": "eo", "bre": "br", "cym": "cy"},
}


class ApertiumTranslator:
    """Implements Translator for the pairs that are installed."""

    def __init__(self) -> None:
        """Raises ConfigError without the program."""
        path = shutil.which(PROGRAM)
        if path is None:
            raise ConfigError(
                "XAPP_SPEECH_TRANSLATION", "apertium is not installed: apt-get install apertium-eng-spa"
            )
        self._path = path
        self._modes: dict[str, str] = {}

    async def start(self) -> None:
        """Asks the program for its pairs."""
        listing = await output_of(
            (self._path, "-l"), "", cpu_s=_CPU_S, most_bytes=1 << 20, timeout_s=_TIMEOUT_S
        )
        modes = (_MODE.fullmatch(line.strip()) for line in listing.decode(errors="replace").splitlines())
        self._modes = {f"{_short(match[1])}-{_short(match[2])}": match[0] for match in modes if match}

    @property
    def name(self) -> str:
        """The engine's name."""
        return "apertium"

    @property
    def ready(self) -> bool:
        """Whether a pair is installed."""
        return bool(self._modes)

    @property
    def languages(self) -> Sequence[str]:
        """Pairs such as "en-es"."""
        return tuple(self._modes)

    def speaks(self, source: str, target: str) -> bool:
        """Implements Translator.speaks."""
        return f"{source}-{target}" in self._modes

    async def translate(self, text: str, source: str, target: str, speaker: Speaker) -> str:
        """Implements Translator.translate."""
        command = (self._path, "-u", self._modes[f"{source}-{target}"])
        data = await output_of(command, text, cpu_s=_CPU_S, most_bytes=_MOST_BYTES, timeout_s=_TIMEOUT_S)
        return _MARK.sub("", data.decode(errors="replace")).strip()


def _short(code: str) -> str:
    return _TWO_LETTERS.get(code, code)
