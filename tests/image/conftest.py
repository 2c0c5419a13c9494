"""Without an image the tests of this folder are skipped."""

import os

import pytest

from tests.figures import Figures

_FIGURES = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, after the results."""
    for line in _FIGURES.lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Of this run."""
    return _FIGURES


@pytest.fixture(scope="session")
def image() -> str:
    """`python -m tests.image` tells its name by a variable."""
    return _told("GENAI_XAPP_IMAGE", "make test-image")


@pytest.fixture(scope="session")
def image_arm64() -> str:
    """`python -m tests.image.arm64` tells its name, and runs the tests where arm64 is emulated."""
    return _told("GENAI_XAPP_IMAGE_ARM64", "make test-image-arm64")


def _told(variable: str, command: str) -> str:
    name = os.environ.get(variable)
    if name is None:
        pytest.skip(f"needs the image: `{command}` builds it")
    return name
