"""Without an image the tests of this folder are skipped."""

import os

import pytest


@pytest.fixture(scope="session")
def image() -> str:
    """`python -m tests.image` tells its name by a variable."""
    name = os.environ.get("GENAI_XAPP_IMAGE")
    if name is None:
        pytest.skip("needs the image: `make test-image` builds it")
    return name
