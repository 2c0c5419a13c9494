"""The descriptors for reflection: protobuf's pool, which cannot find methods by name."""

from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor


class SymbolPool:
    """The default pool, which finds a service's method as well, so that tools can describe it."""

    def __init__(self) -> None:
        self._pool: Any = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802  protobuf's name
        """Raises KeyError for an unknown symbol."""
        service, _, method = symbol.rpartition(".")
        try:
            found: FileDescriptor = self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._file_of_method(service, method)
        return found

    def _file_of_method(self, service: str, method: str) -> FileDescriptor:
        found = self._pool.FindServiceByName(service)
        file: FileDescriptor = found.methods_by_name[method].containing_service.file
        return file

    def __getattr__(self, name: str) -> Any:
        """Passes all other queries of reflection to the pool."""
        return getattr(self._pool, name)
