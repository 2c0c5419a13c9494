"""Helm itself: the machine's, or the one that `make helm` has built (minutes, once on a machine)."""

import shutil
from pathlib import Path

import pytest

from tests.cluster.programs import ProgramError, built
from tests.helm.chart import Chart


@pytest.fixture(scope="session")
def helm(user_cache: Path) -> str:
    """The path of a Helm of version 3 or newer."""
    if (found := shutil.which("helm")) is not None:
        return found
    try:
        return str(built("helm", user_cache))
    except ProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def chart(helm: str) -> Chart:
    """The chart of this tree."""
    return Chart(helm)
