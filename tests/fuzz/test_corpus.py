"""Every kept input is refused by name or taken: the inputs that once were defects among them."""

from pathlib import Path

import pytest

from tests.fuzz.child import CORPUS, MAX_BYTES
from tests.fuzz.targets import TARGETS

KEPT = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_kept_input_is_no_defect(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_each_target_has_a_small_corpus() -> None:
    assert {path.parent.name for path in KEPT} == set(TARGETS)
    assert all(path.stat().st_size <= MAX_BYTES for path in KEPT)
    assert sum(path.stat().st_size for path in KEPT) < 100_000
