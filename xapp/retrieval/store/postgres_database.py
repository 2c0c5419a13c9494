"""PostgresStores: the collections of a PostgreSQL database, which several nodes may share."""

import json

from xapp.domain.collection import CollectionInfo
from xapp.errors import AlreadyExists
from xapp.retrieval.store.base import Key
from xapp.retrieval.store.postgres_link import PostgresLink
from xapp.retrieval.store.postgres_store import ABOUT, PostgresStore


class PostgresStores:
    """Implements Stores. Raises ConfigError where the driver is not installed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._link = PostgresLink(url)
        self._is_laid_out = False

    def all_keys(self) -> list[Key]:
        """Implements Stores."""
        if not self._is_laid_out:
            self._link.lay_out()
            self._is_laid_out = True
        query = "SELECT owner, name FROM collections ORDER BY owner, name"
        rows = self._link.run(lambda connection: connection.execute(query).fetchall())
        return [Key(*row) for row in rows]

    def create(self, key: Key, info: CollectionInfo) -> PostgresStore:
        """Implements Stores."""
        about = json.dumps({name: getattr(info, name) for name in ABOUT})
        query = "INSERT INTO collections (owner, name, about) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        made = self._link.run(lambda connection: connection.execute(query, (*key, about)).rowcount)
        if not made:
            raise AlreadyExists(f"there is a collection {key.name!r}")
        return self.open(key)

    def open(self, key: Key) -> PostgresStore:
        """Implements Stores."""
        return PostgresStore(self._url, key)

    def drop(self, key: Key) -> None:
        """Implements Stores."""
        query = "DELETE FROM collections WHERE owner = %s AND name = %s"
        self._link.run(lambda connection: connection.execute(query, key))

    def close(self) -> None:
        """Implements Stores."""
        self._link.close()
