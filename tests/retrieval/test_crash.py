"""A process that is killed while it stores documents: what it stored is there, and nothing is torn."""

from pathlib import Path

import pytest

from perf.retrieval.killed_writer import KEY, Damage, damage, document, kill_writers, write
from tests.scale import sized
from xapp.retrieval.store.sqlite_folder import SqliteStores


@pytest.mark.slow
def test_a_killed_process_loses_nothing_and_tears_nothing(tmp_path: Path) -> None:
    assert set(kill_writers(tmp_path, sized(8, 50))) == {Damage(0, 0)}


def test_the_check_sees_what_is_lost_and_what_is_torn(tmp_path: Path) -> None:
    writer = write(tmp_path, 0)
    stored = dict(next(writer) for _ in range(4))
    writer.close()
    assert damage(tmp_path, stored) == Damage(0, 0)
    assert damage(tmp_path, {**stored, 99: 1}).lost == 1
    store = SqliteStores(tmp_path, 1 << 26).open(KEY)
    whole = document(1, 1)
    store.put(type(whole)(whole.id, whole.digest, whole.title, {}, whole.passages[:-1]))
    store.close()
    assert damage(tmp_path, stored) == Damage(0, 1)
