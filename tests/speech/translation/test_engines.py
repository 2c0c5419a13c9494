"""Real engines that translate: Apertium, and CTranslate2 with a made-up model."""

from pathlib import Path

import pytest

from tests.speech import needs
from xapp.config import WorkerSettings
from xapp.errors import ModelError
from xapp.speech.engine.process import EngineSettings
from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.protocols import Speaker
from xapp.speech.translation.apertium import ApertiumTranslator
from xapp.speech.translation.ctranslate import CTranslateTranslator

pytestmark = pytest.mark.slow


@needs.apertium
async def test_apertium() -> None:
    engine = ApertiumTranslator()
    assert not engine.ready
    await engine.start()
    assert engine.speaks("en", "es")
    assert not engine.speaks("en", "de")
    assert await engine.translate("The house is big.", "en", "es", Speaker()) == "La casa es grande."
    assert "*" not in await engine.translate("The E2SM node sends KPMs.", "en", "es", Speaker())


@needs.needs_packages("ctranslate2", "sentencepiece")
async def test_ctranslate2(tmp_path: Path) -> None:
    from tests.speech.translation.tiny_model import write_tiny_model  # noqa: PLC0415  packages of the extra

    engine = EngineSupervisor(
        "ctranslate2", str(write_tiny_model(tmp_path)), EngineSettings(), WorkerSettings()
    )
    try:
        await engine.start()
        translator = CTranslateTranslator(engine, "en-de")
        assert translator.speaks("en", "de")
        first = await translator.translate("Please check the antenna. Thanks.", "en", "de", Speaker())
        assert isinstance(first, str)
        assert await translator.translate("Please check the antenna. Thanks.", "en", "de", Speaker()) == first
    finally:
        await engine.aclose()


@needs.needs_packages("ctranslate2", "sentencepiece")
@pytest.mark.parametrize("missing", ["model.bin", "source.spm"])
async def test_a_folder_that_lacks_a_file(tmp_path: Path, missing: str) -> None:
    from tests.speech.translation.tiny_model import write_tiny_model  # noqa: PLC0415

    (write_tiny_model(tmp_path) / missing).unlink()
    engine = EngineSupervisor("ctranslate2", str(tmp_path), EngineSettings(), WorkerSettings())
    with pytest.raises(ModelError, match=r"cannot load it.*"):
        await engine.start()
    await engine.aclose()
