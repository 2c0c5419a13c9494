"""Applies an operator's serving policies to clients: models, classes, lengths, deadlines, rates.

A policy applies to the clients and models of its scope. Where several policies apply to a request, the
tightest limit counts. A policy whose `enforce` is false has no effect.
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
    """A policy, and the use of each client in its scope."""

    def __init__(self, name: str, policy: ServingPolicy, clock: Callable[[], float]) -> None:
        self.name = name
        self.policy = policy
        terms = policy.statement
        quota = Quota(terms.max_rps, terms.max_tokens_per_s, terms.max_concurrent)
        self.quotas = Quotas({DEFAULT: quota}, clock)

    def check(self, client: str, model: str, priority: Priority) -> None:
        """Raises PermissionDenied."""
        self.check_model(client, model)
        terms = self.policy.statement
        if terms.max_priority is not None and priority < Priority[terms.max_priority]:
            raise self._denied(client, "priority", priority.name.lower(), reason="PRIORITY_NOT_ALLOWED")

    def check_model(self, client: str, model: str) -> None:
        """Raises PermissionDenied."""
        allowed = self.policy.statement.allowed_models
        if allowed is not None and not any(fnmatchcase(model, pattern) for pattern in allowed):
            raise self._denied(client, "model", model, reason="MODEL_NOT_ALLOWED")

    def _denied(self, client: str, what: str, value: str, *, reason: str) -> PermissionDenied:
        text = f"policy {self.name!r} does not let {client!r} use the {what} {value!r}"
        return PermissionDenied(text, reason=reason, metadata={"policy": self.name, what: value})

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Adds the name of the policy to an Exhausted that is raised inside."""
        try:
            yield
        except Exhausted as error:
            error.metadata["policy"] = self.name
            raise


class ServingPolicies:
    """The policies in force; `replace` exchanges them."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._in_force: dict[str, _InForce] = {}

    def replace(self, policies: Mapping[str, ServingPolicy]) -> None:
        """Puts these policies in force, and no others. Use under an unchanged policy still counts."""
        self._in_force = {
            name: self._reuse(name, policy)
            for name, policy in sorted(policies.items())
            if policy.statement.enforce
        }

    def _reuse(self, name: str, policy: ServingPolicy) -> _InForce:
        before = self._in_force.get(name)
        return before if before and before.policy == policy else _InForce(name, policy, self._clock)

    def check(self, client: str, model: str, priority: Priority) -> None:
        """Raises PermissionDenied, reason MODEL_ or PRIORITY_NOT_ALLOWED."""
        for each in self._about(client, model):
            each.check(client, model, priority)

    def check_model(self, client: str, model: str) -> None:
        """Raises PermissionDenied, reason MODEL_NOT_ALLOWED: for work on a model that has no class."""
        for each in self._about(client, model):
            each.check_model(client, model)

    def narrow(self, limits: AdmissionSettings, client: str, model: str) -> AdmissionSettings:
        """The limits, narrowed by each policy in force."""
        for each in self._about(client, model):
            limits = _narrowed(limits, each.policy.statement)
        return limits

    def check_quotas(self, client: str, model: str) -> None:
        """Raises Exhausted where `hold` would. Counts nothing."""
        for each in self._about(client, model):
            with each.naming():
                each.quotas.check(client)

    @contextmanager
    def hold(self, client: str, model: str) -> Iterator[list[Charge]]:
        """Counts one request. Raises Exhausted, reason QUOTA_EXCEEDED, and then no policy has counted it."""
        self.check_quotas(client, model)
        with ExitStack() as stack:
            yield [stack.enter_context(each.quotas.hold(client)) for each in self._about(client, model)]

    def _about(self, client: str, model: str) -> list[_InForce]:
        return [each for each in self._in_force.values() if each.policy.scope.has(client, model)]


class PolicedQuotas:
    """The node's own quotas and those of the policies, for the requests to one model."""

    def __init__(self, quotas: Quotas, policies: ServingPolicies, model: str) -> None:
        self._quotas = quotas
        self._policies = policies
        self._model = model

    def check(self, client: str) -> None:
        """Raises Exhausted where `hold` would. Counts nothing."""
        self._policies.check_quotas(client, self._model)
        self._quotas.check(client)

    @contextmanager
    def hold(self, client: str) -> Iterator[Charges]:
        """Counts one request of a client.

        Raises Exhausted, reason QUOTA_EXCEEDED, and then no quota counted it.
        """
        self.check(client)
        with self._quotas.hold(client) as charge, self._policies.hold(client, self._model) as others:
            yield Charges([charge, *others])


def _narrowed(limits: AdmissionSettings, terms: Statement) -> AdmissionSettings:
    max_s = _least((limits.max_deadline_s, terms.max_deadline_s))
    default_s = limits.default_deadline_s if terms.default_deadline_s is None else terms.default_deadline_s
    return msgspec.structs.replace(
        limits,
        max_output_tokens=int(_least((limits.max_output_tokens, terms.max_output_tokens))),
        max_deadline_s=max_s,
        default_deadline_s=min(default_s, max_s),
    )


def _least(values: Iterable[float | None]) -> float:
    return min(value for value in values if value is not None)
