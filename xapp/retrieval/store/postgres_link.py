"""A connection to PostgreSQL that is opened again after it was lost, and its errors as errors for callers."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from xapp.errors import ConfigError, Exhausted, FailedPrecondition, Unavailable, XappError
from xapp.extras import how_to_add
from xapp.retrieval.store.base import SCHEMA_VERSION

if TYPE_CHECKING:
    import psycopg

URL_KEY = "XAPP_RETRIEVAL_URL"
CONNECT_S = 5
STATEMENT_MS = 30_000
_RETRY_AFTER_S = 2.0
_LAYOUT = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA IF NOT EXISTS xapp_retrieval;
CREATE TABLE IF NOT EXISTS xapp_retrieval.layout (version int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS xapp_retrieval.collections (
    number bigserial PRIMARY KEY, owner text NOT NULL, name text NOT NULL, about jsonb NOT NULL,
    UNIQUE (owner, name)
);
CREATE TABLE IF NOT EXISTS xapp_retrieval.documents (
    number bigserial PRIMARY KEY,
    collection bigint NOT NULL REFERENCES xapp_retrieval.collections ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL, digest text NOT NULL, title text NOT NULL, metadata jsonb NOT NULL,
    num_passages int NOT NULL, UNIQUE (collection, id)
);
CREATE TABLE IF NOT EXISTS xapp_retrieval.passages (
    number bigserial PRIMARY KEY,
    collection bigint NOT NULL,
    document bigint NOT NULL REFERENCES xapp_retrieval.documents ON DELETE CASCADE,
    title text NOT NULL, starts bigint NOT NULL, ends bigint NOT NULL, text text NOT NULL, vector vector,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || text)) STORED
);
CREATE INDEX IF NOT EXISTS passages_words ON xapp_retrieval.passages USING gin (words);
CREATE INDEX IF NOT EXISTS passages_document ON xapp_retrieval.passages (document);
CREATE INDEX IF NOT EXISTS passages_collection ON xapp_retrieval.passages (collection);
"""
_LAYOUT_LOCK = 0x78617070
"""Two nodes that start at once lay the tables out one after the other."""

Connection: TypeAlias = "psycopg.Connection[Any]"
_T = TypeVar("_T")


class PostgresLink:
    """Raises ConfigError where the driver is not installed."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg  # noqa: PLC0415  the extra `postgres`
        except ImportError as error:
            text = f"needs a driver: {how_to_add('server,retrieval,postgres')}"
            raise ConfigError(URL_KEY, text) from error
        self._driver = psycopg
        self._url = url
        self._open: Connection | None = None

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """Runs `work` in a transaction. Raises Unavailable, Exhausted, FailedPrecondition."""
        with self._told():
            connection = self._connected()
            with connection.transaction():
                return work(connection)

    def _connected(self) -> Connection:
        if self._open is None or self._open.closed:
            options = f"-c statement_timeout={STATEMENT_MS} -c search_path=xapp_retrieval,public"
            self._open = self._driver.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_S, options=options
            )
        return self._open

    def lay_out(self) -> None:
        """Makes the tables where they are not there. Raises FailedPrecondition: NEWER_SCHEMA, NO_PGVECTOR."""
        self.run(self._lay_out)

    def _lay_out(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LAYOUT_LOCK,))
        try:
            connection.execute(_LAYOUT)
        except (self._driver.errors.UndefinedFile, self._driver.errors.FeatureNotSupported) as error:
            text = "the database has no extension `vector`: install pgvector on its server"
            raise FailedPrecondition(text, reason="NO_PGVECTOR") from error
        row = connection.execute("SELECT max(version) FROM layout").fetchone()
        version = (row and row[0]) or SCHEMA_VERSION
        if version > SCHEMA_VERSION:
            text = f"the database has schema {version}, and this version knows {SCHEMA_VERSION} at most"
            raise FailedPrecondition(f"{text}: use a newer version", reason="NEWER_SCHEMA")
        connection.execute("INSERT INTO layout VALUES (%s) ON CONFLICT DO NOTHING", (SCHEMA_VERSION,))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise self._of(error) from error

    def _of(self, error: "psycopg.Error") -> XappError:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, self._driver.errors.DiskFull):
            return Exhausted(f"the database has no room: {text}", reason="DISK_FULL")
        message = f"the database of collections cannot be used: {text}"
        return Unavailable(message, reason="COLLECTION_LOST", retry_after_s=_RETRY_AFTER_S)

    def close(self) -> None:
        """Safe to call twice."""
        if self._open is not None:
            self._open.close()
            self._open = None
