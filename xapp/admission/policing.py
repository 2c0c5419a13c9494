"""Holds clients to the policies of an operator: models, classes, lengths, deadlines, rates.

A policy is about the clients and the models of its scope. Where several are about one request all of them
hold, so the tightest decides. A policy whose `enforce` is false holds nobody back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from time import monotonic

import msgspec

from xapp.admission.quota import DEFAULT, Charge, Charges, Quota, Quotas
from xapp.config import AdmissionSettings
from xapp.domain.messages import Priority
from xapp.domain.serving_policy import ServingPolicy, Statement
from xapp.errors import Exhausted, PermissionDenied


class _InForce:
    """A policy, and what the clients of its scope have used."""

    def __init__(self, name: str, policy: ServingPolicy, clock: Callable[[], float]) -> None:
        self.name = name
        self.policy = policy
        said = policy.statement
        quota = Quota(said.max_rps, said.max_tokens_per_s, said.max_concurrent)
        self.quotas = Quotas({DEFAULT: quota}, clock)

    def check(self, client: str, model: str, priority: Priority) -> None:
        """Raises PermissionDenied."""
        said = self.policy.statement
        if said.allowed_models is not None and not any(fnmatchcase(model, p) for p in said.allowed_models):
            raise self._denied(client, "model", model, reason="MODEL_NOT_ALLOWED")
        if said.max_priority is not None and priority < Priority[said.max_priority]:
            raise self._denied(client, "priority", priority.name.lower(), reason="PRIORITY_NOT_ALLOWED")

    def _denied(self, client: str, what: str, value: str, *, reason: str) -> PermissionDenied:
        text = f"policy {self.name!r} does not let {client!r} use the {what} {value!r}"
        return PermissionDenied(text, reason=reason, metadata={"policy": self.name, what: value})

    @contextmanager
    def naming(self) -> Iterator[None]:
        """An Exhausted from here says which policy it is of."""
        try:
            yield
        except Exhausted as error:
            error.metadata["policy"] = self.name
            raise


class ServingPolicies:
    """Those that are in force; `replace` puts others in their place."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._in_force: dict[str, _InForce] = {}

    def replace(self, policies: Mapping[str, ServingPolicy]) -> None:
        """Only these hold from now on. What was used under a policy that stays the same still counts."""
        self._in_force = {
            name: self._kept(name, policy)
            for name, policy in sorted(policies.items())
            if policy.statement.enforce
        }

    def _kept(self, name: str, policy: ServingPolicy) -> _InForce:
        before = self._in_force.get(name)
        return before if before and before.policy == policy else _InForce(name, policy, self._clock)

    def check(self, client: str, model: str, priority: Priority) -> None:
        """Raises PermissionDenied, reason MODEL_ or PRIORITY_NOT_ALLOWED."""
        for each in self._about(client, model):
            each.check(client, model, priority)

    def narrow(self, limits: AdmissionSettings, client: str, model: str) -> AdmissionSettings:
        """What is left of them."""
        for each in self._about(client, model):
            limits = _narrowed(limits, each.policy.statement)
        return limits

    def check_quotas(self, client: str, model: str) -> None:
        """Raises Exhausted where `hold` would; takes nothing."""
        for each in self._about(client, model):
            with each.naming():
                each.quotas.check(client)

    @contextmanager
    def hold(self, client: str, model: str) -> Iterator[list[Charge]]:
        """One request. Raises Exhausted, reason QUOTA_EXCEEDED; then no policy has counted it."""
        self.check_quotas(client, model)
        with ExitStack() as stack:
            yield [stack.enter_context(each.quotas.hold(client)) for each in self._about(client, model)]

    def _about(self, client: str, model: str) -> list[_InForce]:
        return [each for each in self._in_force.values() if each.policy.scope.has(client, model)]


class PolicedQuotas:
    """The node's own quotas, and those that policies add, for the requests to one model."""

    def __init__(self, quotas: Quotas, policies: ServingPolicies, model: str) -> None:
        self._quotas = quotas
        self._policies = policies
        self._model = model

    def check(self, client: str) -> None:
        """Raises Exhausted where `hold` would; takes nothing."""
        self._policies.check_quotas(client, self._model)
        self._quotas.check(client)

    @contextmanager
    def hold(self, client: str) -> Iterator[Charges]:
        """One request of a client. Raises Exhausted, reason QUOTA_EXCEEDED; then nobody has counted it."""
        self.check(client)
        with self._quotas.hold(client) as charge, self._policies.hold(client, self._model) as others:
            yield Charges([charge, *others])


def _narrowed(limits: AdmissionSettings, said: Statement) -> AdmissionSettings:
    most_s = _least((limits.max_deadline_s, said.max_deadline_s))
    default_s = limits.default_deadline_s if said.default_deadline_s is None else said.default_deadline_s
    return msgspec.structs.replace(
        limits,
        max_output_tokens=int(_least((limits.max_output_tokens, said.max_output_tokens))),
        max_deadline_s=most_s,
        default_deadline_s=min(default_s, most_s),
    )


def _least(values: Iterable[float | None]) -> float:
    return min(value for value in values if value is not None)
