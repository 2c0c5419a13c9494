"""docker/build asks the engine for what its variables say. The engine is a stand-in that notes all words."""

import os
import platform
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OTHER = "arm64" if OWN == "amd64" else "amd64"
BASE = "localhost/genai-xapp-base:bookworm"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    program = tmp_path / "podman"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    return program


def asked(engine: Path, **variables: str) -> list[str]:
    """What the engine is asked, word by word."""
    environment = {**os.environ, "ENGINE": str(engine), "XDG_CACHE_HOME": str(engine.parent), **variables}
    done = subprocess.run(
        [ROOT / "docker/build"], env=environment, check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == variables.get("IMAGE", "localhost/genai-xapp:0.1.0")
    return (engine.parent / "asked").read_text().splitlines()


def argument(words: list[str], name: str) -> str:
    (value,) = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    return value


def test_the_image_is_for_this_machine_and_a_stated_baseline(engine: Path) -> None:
    words = asked(engine)
    assert words[words.index("--platform") + 1] == f"linux/{OWN}"
    assert argument(words, "BASELINE") == "stated"
    assert argument(words, "EMBED_MODEL") == "smollm2-135m-q4_1"


def test_an_image_has_no_optional_parts_unless_asked_for(engine: Path) -> None:
    assert argument(asked(engine), "EXTRAS") == ""


def test_each_optional_part_of_an_image_has_its_list(engine: Path) -> None:
    parts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = sorted(parts.keys() - {"server", "bench", "dev"})
    assert argument(asked(engine, EXTRAS=",".join(extras)), "EXTRAS") == ",".join(extras)
    for extra in extras:
        listed = (ROOT / "requirements" / f"{extra}.txt").read_text()
        for wanted in parts[extra]:
            name = re.split(r"[\[<>=]", wanted)[0]
            assert f"{name}==" in listed


def test_another_architecture_has_a_base_of_its_own(engine: Path) -> None:
    words = asked(engine, PLATFORM=f"linux/{OTHER}", BASE="debian", IMAGE="localhost/other:1")
    assert words[words.index("--platform") + 1] == f"linux/{OTHER}"
    assert argument(words, "BUILDPLATFORM") == f"linux/{OWN}"
    assert (argument(words, "BUILD_IMAGE"), argument(words, "PYTHON_IMAGE")) == (
        f"{BASE}-{OWN}",
        f"{BASE}-{OTHER}",
    )


def test_a_base_that_is_named_is_taken_for_both(engine: Path) -> None:
    words = asked(engine, BASE="registry.example/python:3.11", EMBED_MODEL="")
    assert argument(words, "BUILD_IMAGE") == argument(words, "PYTHON_IMAGE") == "registry.example/python:3.11"
    assert argument(words, "EMBED_MODEL") == ""


def test_an_archive_is_written_at_the_end(engine: Path, tmp_path: Path) -> None:
    words = asked(engine, ARCHIVE=str(tmp_path / "image.tar"))
    assert words[-4:] == ["save", "--output", str(tmp_path / "image.tar"), "localhost/genai-xapp:0.1.0"]
