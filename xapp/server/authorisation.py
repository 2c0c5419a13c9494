"""Authorisation: what a principal may call, by the method before the request is read, then by the request."""

from collections.abc import Collection
from typing import Any

from xapp.domain.kinds import Capability
from xapp.domain.service import Service
from xapp.inference.v1 import embedding_pb2
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security import principal
from xapp.security.access import Access
from xapp.security.permission import Asked, check_request
from xapp.server.call import Call, Guard

_PREFIX = "PRIORITY_"


def allowing_method(access: Access, open_services: Collection[str], admin_paths: Collection[str]) -> Guard:
    """A guard. It raises PermissionDenied, reason METHOD_NOT_ALLOWED."""

    async def allow(call: Call) -> None:
        method = call.method
        if method.service not in open_services:
            caller = principal.current.get()
            access.policy.check_method(caller, method.name, for_admins=method.path in admin_paths)

    return allow


def allowing_request(access: Access, service: Service) -> Guard:
    """A guard. It raises PermissionDenied, reason MODEL_, TASK_, COLLECTION_ or PRIORITY_NOT_ALLOWED."""

    async def allow(call: Call) -> None:
        if not call.method.takes_stream and hasattr(call.request, "model"):
            check_request(access.policy, principal.current.get(), service, asked_of(call.request))

    return allow


def asked_of(request: Any) -> Asked:
    """What a request of the contract names: its model, task, class, and collection."""
    priority = _priority(request.priority) if hasattr(request, "priority") else None
    needed = _NEEDED.get(type(request), Capability.GENERATE)
    collection = request.retrieval.collection if hasattr(request, "retrieval") else ""
    return Asked(request.model, getattr(request, "task", ""), priority, needed, collection)


_NEEDED = {embedding_pb2.EmbedRequest: Capability.EMBED, embedding_pb2.RerankRequest: Capability.RANK}


def _priority(number: int) -> str:
    if number not in pb.Priority.values() or number == pb.PRIORITY_UNSPECIFIED:
        return ""
    return pb.Priority.Name(number).removeprefix(_PREFIX).lower()  # type: ignore[arg-type]
