"""Methods: the handlers of a gRPC server, collected once for each server that replaces another."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Methods(grpc.GenericRpcHandler):
    """Finds the handler of a method by its path. It replaces the server where generated code adds a servicer.

    grpc.aio requests the next call of each registered method from its C core, with a place in memory for
    that call. When the accept loop fails, these places are freed while the core still writes to them. Other
    objects are then overwritten, and the process crashes some time later. So no method is registered: the
    core is asked for one call at a time, and for none after the loop has failed.
    """

    def __init__(self, wrap: Callable[[str, Handler], Handler]) -> None:
        self._wrap = wrap
        self._handlers: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The method's handler, or None."""
        return self._handlers.get(handler_call_details.method)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Adds the methods of a service by their names."""
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            self._handlers[path] = self._wrap(path, handler)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: registered methods would be the same, for gRPC's private use."""
