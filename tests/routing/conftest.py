"""A node on scripted workers, and a scripted node above it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripted_node import ScriptedNode, scripted_node
from tests.service.nodes import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def above() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node
