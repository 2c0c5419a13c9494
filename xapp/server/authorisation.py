"""Authorisation: what a principal may call, by the method before the request is read, then by the request."""

from collections.abc import Collection, Iterable
from typing import Any

from xapp.domain.service import Service
from xapp.domain.task import Task
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security import principal
from xapp.security.access import Access
from xapp.server.call import Call, Guard

_PREFIX = "PRIORITY_"
_DEFAULT_PRIORITY = "interactive"


def allowing_method(access: Access, open_services: Collection[str], admin_paths: Collection[str]) -> Guard:
    """A guard. It raises PermissionDenied, reason METHOD_NOT_ALLOWED."""

    async def allow(call: Call) -> None:
        method = call.method
        if method.service not in open_services:
            caller = principal.current.get()
            access.policy.check_method(caller, method.name, for_admins=method.path in admin_paths)

    return allow


def allowing_request(access: Access, service: Service) -> Guard:
    """A guard. It raises PermissionDenied, reason MODEL_, TASK_ or PRIORITY_NOT_ALLOWED."""

    async def allow(call: Call) -> None:
        if not call.method.takes_stream and hasattr(call.request, "model"):
            _check(access, service, call.request)

    return allow


def _check(access: Access, service: Service, request: Any) -> None:
    caller, policy = principal.current.get(), access.policy
    rule = policy.rule(caller)
    if rule is not None and rule.is_unbounded:
        return
    task: str = getattr(request, "task", "").partition("@")[0]
    versions = [each for each in service.list_tasks() if each.name == task] if task else []
    if task:
        policy.check_task(caller, task)
    policy.check_model(caller, _models(request, versions, service))
    if hasattr(request, "priority"):
        policy.check_priority(caller, _priorities(request, versions))


def _models(request: Any, versions: Iterable[Task], service: Service) -> set[str]:
    """The models that may answer: the model in the request, otherwise the models of its task's versions."""
    named = {request.model} if request.model else {each.model for each in versions} or {""}
    return {model or service.get_model("").name for model in named}


def _priorities(request: Any, versions: Iterable[Task]) -> set[str]:
    if request.priority in pb.Priority.values() and request.priority != pb.PRIORITY_UNSPECIFIED:
        return {pb.Priority.Name(request.priority).removeprefix(_PREFIX).lower()}
    return {str(each.priority) for each in versions} or {_DEFAULT_PRIORITY}
