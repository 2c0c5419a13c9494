"""Whether a principal may make a request: its task, its models and its class, on whichever port it comes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.kinds import Capability
from xapp.domain.service import Models, TaskCatalogue
from xapp.domain.task import Task
from xapp.security.audit import note
from xapp.security.policy import Policy
from xapp.security.principal import Principal

_DEFAULT_PRIORITY = "interactive"


class Named(Models, TaskCatalogue, Protocol):
    """What a request can name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The names in a request; "" is the default. `priority` is None for requests that have no class.

    `needed`: what the model has to be able to do. `collection` "" is none.
    """

    model: str = ""
    task: str = ""
    priority: str | None = ""
    needed: Capability = Capability.GENERATE
    collection: str = ""


def check_request(policy: Policy, caller: Principal, named: Named, asked: Asked) -> None:
    """Raises PermissionDenied, reason MODEL_, TASK_, COLLECTION_ or PRIORITY_NOT_ALLOWED, and NotFound.

    The names become part of the call's audit record.
    """
    note(model=asked.model, task=asked.task)
    rule = policy.rule(caller)
    if rule is not None and rule.is_unbounded:
        return
    task = asked.task.partition("@")[0]
    versions = [each for each in named.list_tasks() if each.name == task] if task else []
    if task:
        policy.check_task(caller, task)
    policy.check_model(caller, _models(asked, versions, named))
    if asked.collection:
        policy.check_collection(caller, asked.collection)
    if asked.priority is not None:
        policy.check_priority(caller, _priorities(asked.priority, versions))


def _models(asked: Asked, versions: Iterable[Task], named: Named) -> set[str]:
    """The models that may answer: the model in the request, otherwise the models of its task's versions."""
    wanted = {asked.model} if asked.model else {each.model for each in versions} or {""}
    return {model or named.name_for(asked.needed) for model in wanted}


def _priorities(priority: str, versions: Iterable[Task]) -> set[str]:
    return {priority} if priority else {str(each.priority) for each in versions} or {_DEFAULT_PRIORITY}
