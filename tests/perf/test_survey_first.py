"""survey_first: when the measurements of a model are kept."""

from pathlib import Path

import msgspec
import pytest

from perf import survey_first
from perf.json_child import Child
from xapp.config import EngineSettings

NO_SETTINGS = EngineSettings()


class _Child:
    """Greets with the next answer of the test."""

    answers: list[bytes]

    def __init__(self, *_: str) -> None:
        self.greeting = self.answers.pop(0)

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("answers", "left"), [("true", 0), ("false true", 0), ("false false false true", 1)])
def test_a_survey_is_made_until_it_is_kept(monkeypatch: pytest.MonkeyPatch, answers: str, left: int) -> None:
    _Child.answers = answers.encode().split()
    monkeypatch.setattr(survey_first, "Child", _Child)
    survey_first.survey_first(Path(f"/{answers}.gguf"), NO_SETTINGS)
    assert len(_Child.answers) == left


def test_a_model_is_surveyed_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    _Child.answers = [b"true", b"true"]
    monkeypatch.setattr(survey_first, "Child", _Child)
    for _ in range(2):
        survey_first.survey_first(Path("/once.gguf"), NO_SETTINGS)
    assert len(_Child.answers) == 1


def test_settings_without_a_survey_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _Child.answers = []
    monkeypatch.setattr(survey_first, "Child", _Child)
    survey_first.survey_first(Path("/unsurveyed.gguf"), EngineSettings(survey=False))


@pytest.mark.slow
def test_the_child_surveys_a_real_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shallow_model_path: Path
) -> None:
    """Other programs may disturb the survey, so that it is not kept: only the first greeting is sure."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = msgspec.json.encode(NO_SETTINGS).decode()
    with Child("perf.survey_first", "--model", str(shallow_model_path), "--settings", settings) as child:
        assert msgspec.json.decode(child.greeting) is False
