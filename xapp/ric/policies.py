"""Keeps the policies of a source in force, and reports for each whether it is enforced.

A policy that is refused leaves its last good version in force. A source that fails leaves all policies as
they are.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from xapp import logs
from xapp.domain.serving_policy import ServingPolicy
from xapp.ric.backoff import Backoff
from xapp.ric.policy_source import Found, PolicySource, SourceError
from xapp.ric.policy_type import PolicyError, read_policy

MAX_WAIT_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """`reason` is A1's reason why a policy is not enforced, or "". `detail` is for people."""

    instance_id: str
    reason: str = ""
    detail: str = ""
    deleted: bool = False

    @property
    def enforced(self) -> bool:
        """Whether the node enforces the policy."""
        return not self.reason and not self.deleted

    def body(self, type_id: int, handler: str) -> dict[str, object]:
        """A1's answer over RMR. Its ids must be numbers. A1's policy status is added."""
        verdict = "DELETED" if self.deleted else "ERROR" if self.reason else "OK"
        told: dict[str, object] = {
            "policy_type_id": type_id,
            "policy_instance_id": self.instance_id,
            "handler_id": handler,
            "status": verdict,
            "enforceStatus": "ENFORCED" if self.enforced else "NOT_ENFORCED",
        }
        if not self.enforced:
            told |= {"enforceReason": self.reason or "OTHER_REASON", "detail": self.detail}
        return told


class Policies:
    """`apply` puts policies in force. `models` returns the names of served models. `on_status` gets every
    status that changed.
    """

    def __init__(
        self,
        source: PolicySource,
        apply: Callable[[Mapping[str, ServingPolicy]], None],
        models: Callable[[], Collection[str]],
        on_status: Callable[[PolicyStatus], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._apply = apply
        self._models = models
        self._on_status = on_status
        self._good: dict[str, ServingPolicy] = {}
        self._refused: dict[str, str] = {}
        self._told: dict[str, PolicyStatus] = {}
        self._backoff = Backoff(first_s=source.period_s, most_s=max(MAX_WAIT_S, source.period_s))
        self.failure = ""

    async def run(self) -> None:
        """Looks again and again until cancelled."""
        while True:
            await self.look()
            wait_s = self._backoff.next_s() if self.failure else self._source.period_s
            await asyncio.sleep(wait_s)

    async def look(self) -> None:
        """Looks once."""
        try:
            found = await self._source.read()
        except SourceError as error:
            self._say_failure(str(error))
            return
        self._say_failure("")
        self._backoff.reset()
        self._take(found)
        self._tell()

    def statuses(self) -> list[PolicyStatus]:
        """The statuses of all policies of the source, sorted by id."""
        return [self._status(name) for name in sorted(self._good.keys() | self._refused.keys())]

    def _take(self, found: Found) -> None:
        refused: dict[str, str] = {}
        good: dict[str, ServingPolicy] = {}
        for name, payload in found.items():
            try:
                good[name] = _read(payload)
            except PolicyError as error:
                refused[name] = str(error)
                if (last := self._good.get(name)) is not None:
                    good[name] = last
        if good != self._good:
            self._apply(good)
        self._good, self._refused = good, refused

    def _status(self, name: str) -> PolicyStatus:
        policy = self._good.get(name)
        if (why := self._refused.get(name)) is not None:
            kept = "; the last good one is in force" if policy is not None else ""
            return PolicyStatus(name, "STATEMENT_NOT_APPLICABLE", f"refused: {why}{kept}")
        assert policy is not None
        if not policy.statement.enforce:
            return PolicyStatus(name, "OTHER_REASON", "the policy says enforce: false")
        if not any(fnmatchcase(model, policy.scope.model) for model in self._models()):
            detail = f"no model {policy.scope.model!r} is served; the policy waits for it"
            return PolicyStatus(name, "SCOPE_NOT_APPLICABLE", detail)
        return PolicyStatus(name)

    def _tell(self) -> None:
        now = {status.instance_id: status for status in self.statuses()}
        gone = [PolicyStatus(name, deleted=True) for name in self._told.keys() - now.keys()]
        for status in [*now.values(), *gone]:
            if self._told.get(status.instance_id) != status:
                _log_status(status)
                self._on_status(status)
        self._told = now

    def _say_failure(self, why: str) -> None:
        """Logs the first failure of the source, and its first success after failures."""
        if bool(why) != bool(self.failure):
            fields: dict[str, object] = {"event": "policies", "source": self._source.name, "ok": not why}
            text = f"{self._source.name} {why}: policies stay" if why else f"{self._source.name} is back"
            logs.event(_log, text, fields, level=logging.WARNING if why else logging.INFO)
        self.failure = why


def _read(payload: object) -> ServingPolicy:
    if isinstance(payload, PolicyError):
        raise PolicyError(str(payload))
    return read_policy(payload)


def _log_status(status: PolicyStatus) -> None:
    what = "deleted" if status.deleted else "enforced" if status.enforced else "not enforced"
    fields: dict[str, object] = {"event": "policy", "policy": status.instance_id, "is": what}
    level = logging.INFO if status.enforced or status.deleted else logging.WARNING
    detail = f": {status.detail}" if status.detail else ""
    logs.event(_log, f"policy {status.instance_id} is {what}{detail}", fields, level=level)
