"""The methods that a gRPC server serves, gathered once for every server that is made."""

from collections.abc import Sequence

import grpc


class Methods:
    """Stands for a server where generated code adds a servicer; `generic` is for `grpc.aio.server`.

    grpc.aio asks its C core for the next call of each registered method, and tells it where to write that
    call. When the accept loop fails, these places are freed while the core still writes to them. Then other
    objects are overwritten, and the process crashes some time later. So no method is registered: the core
    is asked for one call at a time, and for none when the loop has failed.
    """

    def __init__(self) -> None:
        self.generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: "Sequence[grpc.GenericRpcHandler]") -> None:
        """Takes what finds the handler of a method by its path."""
        self.generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Leaves them out: `generic` finds every one of them."""
