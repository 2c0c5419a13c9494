"""The methods that a gRPC server serves, gathered once for every server that is made."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Methods(grpc.GenericRpcHandler):
    """Finds the handler of a method by its path. Stands for a server where generated code adds a servicer.

    grpc.aio asks its C core for the next call of each registered method, and tells it where to write that
    call. When the accept loop fails, these places are freed while the core still writes to them. Then other
    objects are overwritten, and the process crashes some time later. So no method is registered: the core
    is asked for one call at a time, and for none when the loop has failed.
    """

    def __init__(self, wrap: Callable[[str, Handler], Handler]) -> None:
        self._wrap = wrap
        self._handlers: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The method's handler; None where there is no such method."""
        return self._handlers.get(handler_call_details.method)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Takes the methods of a service by their names."""
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            self._handlers[path] = self._wrap(path, handler)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leaves them out: they find the same methods, by private means."""
