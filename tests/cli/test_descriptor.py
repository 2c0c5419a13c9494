"""`genai-xapp descriptor`: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.live import MODEST
from xapp.cli import main
from xapp.ric.onboarding import faults
from xapp.ric.policy_type import policy_type

IMAGE = "registry.example:5000/ran/genai-xapp:1"


def run(*arguments: str, **environ: str) -> Result:
    """With the settings in `environ`, and no other."""
    return CliRunner().invoke(main, ["descriptor", *arguments], env={**dict.fromkeys(MODEST), **environ})


def test_it_is_of_the_settings_and_the_image() -> None:
    made = json.loads(run("--image", IMAGE, "--name", "mine", XAPP_SLOTS="4").stdout)
    assert made["name"] == "mine"
    assert made["containers"][0]["image"] == {
        "registry": "registry.example:5000",
        "name": "ran/genai-xapp",
        "tag": "1",
    }
    assert made["controls"] == {"slots": 4}


def test_all_parts_are_written(tmp_path: Path) -> None:
    done = run("--dir", str(tmp_path / "new"), XAPP_RIC_POLICY_TYPE="7")
    assert done.exit_code == 0
    parts = {file.name: json.loads(file.read_text()) for file in (tmp_path / "new").iterdir()}
    assert faults(parts["config-file.json"], parts["schema.json"]) == []
    assert parts["llm_serving.json"] == policy_type(7)
    assert set(done.stdout.split()) == {str(tmp_path / "new" / name) for name in parts}


@pytest.mark.parametrize("part", ["schema", "policy-type"])
def test_a_part_is_printed(part: str) -> None:
    assert isinstance(json.loads(run("--part", part).stdout), dict)


def test_what_the_onboarder_would_refuse_is_said() -> None:
    done = run("--image", "localhost/genai-xapp:1")
    assert done.exit_code == 1
    assert "registry: 'localhost'" in done.stderr


@pytest.mark.parametrize("image", ["genai-xapp", "a/b", "/b:1", "a/:1", "a/b:"])
def test_an_image_that_is_none(image: str) -> None:
    assert run("--image", image).exit_code == 2


def test_a_bad_setting_names_its_key() -> None:
    done = run(XAPP_SLOTS="many")
    assert done.exit_code == 1
    assert "XAPP_SLOTS" in done.stderr
