"""GrpcService: the entry of a gRPC service, from which registration, health and reflection follow."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from xapp.server.boundary import Boundary
from xapp.server.methods import Methods


@dataclass(frozen=True, slots=True)
class GrpcService:
    """`add_to_server` is the generated function that takes the servicer and a server.

    `serving` is the health of the service; None where health does not list it. `for_admins` are methods for
    administrators only, where a policy names administrators. `work` are methods whose calls count as the
    load of the node.
    """

    descriptor: ServiceDescriptor
    add_to_server: Callable[[Any, Any], None]
    servicer: object
    serving: Callable[[], bool] | None = None
    for_admins: frozenset[str] = frozenset()
    work: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The service's name with its package."""
        name: str = self.descriptor.full_name
        return name

    @property
    def methods(self) -> list[str]:
        """The names of the methods."""
        return [method.name for method in self.descriptor.methods]

    @property
    def admin_paths(self) -> list[str]:
        """The paths of methods for administrators."""
        return self._paths(self.for_admins)

    @property
    def work_paths(self) -> list[str]:
        """The paths of methods that count as load."""
        return self._paths(self.work)

    def _paths(self, methods: Iterable[str]) -> list[str]:
        return [f"/{self.name}/{method}" for method in methods]


def methods_of(services: Iterable[GrpcService], boundary: Boundary) -> Methods:
    """A handler for `grpc.aio.server` with every guarded method of the services."""
    methods = Methods(boundary.wrap)
    for service in services:
        service.add_to_server(service.servicer, methods)
    return methods
