"""A node with three scripted models."""

from pathlib import Path

import pytest

from tests.service.nodes import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Models tiny (the default), other and third, none loaded yet."""
    return Node(tmp_path)
