"""The guards of the gRPC port, in their order, and the services that they leave open or closed."""

from xapp.domain.service import Service
from xapp.security.access import HEALTH as OPEN_HEALTH
from xapp.security.access import LOAD as OPEN_LOAD
from xapp.security.access import MODELS as CLOSED_MODELS
from xapp.security.access import REFLECTION as OPEN_REFLECTION
from xapp.security.access import Access
from xapp.server.authentication import authenticating
from xapp.server.authorisation import allowing_method, allowing_request
from xapp.server.call import Call, Guard, address_of
from xapp.server.correlation import name_call
from xapp.server.grpc_service import GrpcService
from xapp.server.receipt import Receipts
from xapp.server.request import reading
from xapp.server.routing import count_hops
from xapp.server.services import HEALTH, LOAD, MODELS, REFLECTION


def guards(
    access: Access,
    services: tuple[GrpcService, ...],
    service: Service,
    receipts: Receipts,
) -> tuple[Guard, ...]:
    """The guards in order: an unauthenticated request is not even read."""
    open_services = _open_services(access)
    authenticate, read = authenticating(access, open_services), reading(receipts)
    count = _counting(access)
    if not access.required:
        return (authenticate, count, read, name_call, count_hops)
    admin_paths = frozenset(path for each in services for path in each.admin_paths)
    may_call = allowing_method(access, open_services, admin_paths)
    allow = allowing_request(access, service)
    return (authenticate, may_call, count, read, name_call, allow, count_hops)


def _counting(access: Access) -> Guard:
    async def count(call: Call) -> None:
        access.open_calls.enter(address_of(call.context.peer()))

    return count


def closed_services(access: Access) -> frozenset[str]:
    """The names of the services that this node does not have."""
    names = {OPEN_REFLECTION: REFLECTION.full_name, CLOSED_MODELS: MODELS.full_name}
    return frozenset(name for what, name in names.items() if access.is_closed(what))


def _open_services(access: Access) -> frozenset[str]:
    names = {OPEN_HEALTH: HEALTH.full_name, OPEN_LOAD: LOAD.full_name, OPEN_REFLECTION: REFLECTION.full_name}
    return frozenset(name for what, name in names.items() if access.is_open(what))
