"""espeak-ng for real: other languages, and texts that try to be more than text."""

from pathlib import Path

import pytest

from tests.speech import needs
from xapp.speech.synthesis.espeak import EspeakSynthesiser
from xapp.speech.synthesis.sentences import speakable

pytestmark = [needs.espeak, pytest.mark.slow]

NASTY = [
    "--version",
    "-f /etc/passwd",
    "$(touch pwned) `touch pwned`; touch pwned | cat",
    '<speak><audio src="/etc/passwd"/><break time="3600s"/></speak>',
    "[[h@'loU]]",
    "\x00\x1b[31m\x07",
    "",
    "!!! ???",
    "x" * 300,
]


@pytest.fixture
async def espeak() -> EspeakSynthesiser:
    engine = EspeakSynthesiser()
    await engine.start()
    return engine


async def test_languages_and_dialects(espeak: EspeakSynthesiser) -> None:
    assert espeak.ready
    assert espeak.voice_of("es-mx") is not None
    assert espeak.voice_of("en-us") == "en-us"
    assert espeak.voice_of("tlh-xx") is None
    assert espeak.voice_of("") is None
    pcm = await espeak.say("La celda está fuera de servicio.", "es", 8_000)
    assert pcm.sample_rate == 8_000
    assert 1 < pcm.seconds < 10


@pytest.mark.parametrize("text", NASTY)
async def test_a_text_is_only_a_text(
    espeak: EspeakSynthesiser, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in (text, speakable(text)):
        assert (await espeak.say(each, "en-us", 16_000)).seconds < 60
    assert not (tmp_path / "pwned").exists()
