"""The access policy: the rights of each principal.

XAPP_POLICY_FILE is TOML with a table for each principal, and one named "default" for all others:

    [default]
    methods = ["Generate", "Score", "Estimate", "Tokenize", "ListTasks"]
    priorities = ["interactive", "batch"]

    [operator]
    admin = true

Everything that a table does not name is allowed, except the methods of administrators. A principal without a
table may do nothing if there is no default table.
"""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xapp.domain import scope
from xapp.errors import ConfigError, PermissionDenied
from xapp.security.principal import Principal
from xapp.security.tokens import MAX_NAME_CHARS, check_name
from xapp.toml_file import read_toml

POLICY_KEY = "XAPP_POLICY_FILE"
DEFAULT = "default"
GROUP = "group:"
"""Prefix of the name of a group's table. Tokens of an issuer name the groups."""
_MAX_SHOWN_CHARS = 128

Priority = Literal["critical", "interactive", "batch"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rights of one principal; None is everything. Names of models, tasks and collections may
    have `*` and `?`.

    Principals whose rules have the same `shares` share prefixes and joined answers.
    """

    admin: bool = False
    methods: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    priorities: tuple[Priority, ...] | None = None
    collections: tuple[str, ...] | None = None
    shares: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)] | None = None

    @property
    def is_unbounded(self) -> bool:
        """Whether every model, task, class and collection is allowed."""
        return self.admin or (self.models, self.tasks, self.priorities, self.collections) == (None,) * 4


_ANYTHING = Rule(admin=True)
_NOTHING = Rule(methods=(), models=(), tasks=(), priorities=(), collections=())


class Policy:
    """`rules` by principal; None: every caller may do everything. `source` names the file in errors."""

    def __init__(self, rules: Mapping[str, Rule] | None, source: str = "") -> None:
        self._rules = rules
        self._source = source

    def check_names(self, methods: Collection[str]) -> None:
        """Raises ConfigError when a rule names a method that is not in `methods`."""
        for name, rule in (self._rules or {}).items():
            for method in rule.methods or ():
                if method not in methods:
                    known = ", ".join(sorted(methods))
                    message = f"{self._source}: {name}: no method {method!r}; there are {known}"
                    raise ConfigError(POLICY_KEY, message)

    def rule(self, who: Principal) -> Rule | None:
        """The principal's own rule, or the rule of the first of its groups that has one; None
        without a rule.
        """
        if self._rules is None:
            return _ANYTHING
        # A principal whose name looks like a group's does not get the group's rule.
        own = () if who.name.startswith(GROUP) else (who.name,)
        names = (*own, *(GROUP + group for group in who.groups), DEFAULT)
        return next((self._rules[name] for name in names if name in self._rules), None)

    def scope(self, who: Principal) -> str:
        """The scope that shares the principal's computations."""
        rule = self.rule(who)
        if rule is None or rule.shares is None:
            return scope.of_principal(who.name)
        return scope.of_group(rule.shares)

    def check_method(self, who: Principal, method: str, *, for_admins: bool) -> None:
        """Raises PermissionDenied unless the principal may call the method."""
        rule = self.rule(who)
        if rule is not None and rule.admin:
            return
        if rule is None or for_admins or not _allows(rule.methods, method):
            raise _denied(who.name, "method", method, reason="METHOD_NOT_ALLOWED")

    def check_model(self, who: Principal, models: Iterable[str]) -> None:
        """Raises PermissionDenied unless the principal may use every one of the models."""
        for model in models:
            if not self.allows_model(who, model):
                raise _denied(who.name, "model", model, reason="MODEL_NOT_ALLOWED")

    def allows_model(self, who: Principal, model: str) -> bool:
        """Whether the principal may use the model, and therefore see it."""
        rule = self.rule(who) or _NOTHING
        return rule.admin or _allows(rule.models, model)

    def allows_task(self, who: Principal, task: str) -> bool:
        """Whether the principal may run the task, and therefore see it. `task` has no version."""
        rule = self.rule(who) or _NOTHING
        return rule.admin or _allows(rule.tasks, task)

    def check_task(self, who: Principal, task: str) -> None:
        """Raises PermissionDenied unless the principal may run the task, which has no version here."""
        if not self.allows_task(who, task):
            raise _denied(who.name, "task", task, reason="TASK_NOT_ALLOWED")

    def allows_collection(self, who: Principal, collection: str) -> bool:
        """Whether the principal may use a collection of this name, its own or a shared one."""
        rule = self.rule(who) or _NOTHING
        return rule.admin or _allows(rule.collections, collection)

    def check_collection(self, who: Principal, collection: str, *, shares: bool = False) -> None:
        """Raises PermissionDenied unless the principal may use the collection. `shares`: unless it may change
        what it shares with everybody.
        """
        rule = self.rule(who) or _NOTHING
        if not self.allows_collection(who, collection) or (shares and not rule.admin):
            raise _denied(who.name, "collection", collection, reason="COLLECTION_NOT_ALLOWED")

    def check_priority(self, who: Principal, priorities: Iterable[str]) -> None:
        """Raises PermissionDenied unless the principal may ask in each of these classes."""
        rule = self.rule(who) or _NOTHING
        for priority in priorities:
            if not (rule.admin or _allows(rule.priorities, priority)):
                raise _denied(who.name, "priority", priority, reason="PRIORITY_NOT_ALLOWED")


ANYTHING_GOES = Policy(None)
"""The policy where callers need no credentials."""


def _allows(patterns: Collection[str] | None, value: str) -> bool:
    return patterns is None or any(fnmatchcase(value, pattern) for pattern in patterns)


def _denied(name: str, what: str, value: str, *, reason: str) -> PermissionDenied:
    value = value[:_MAX_SHOWN_CHARS]
    message = f"{name!r} may not use the {what} {value!r}"
    return PermissionDenied(message, reason=reason, metadata={"principal": name, what: value})


def read_policy(path: Path) -> Policy:
    """Raises ConfigError with the place."""
    try:
        rules = msgspec.convert(read_toml(POLICY_KEY, path), dict[str, Rule])
    except msgspec.ValidationError as error:
        raise ConfigError(POLICY_KEY, f"{path}: {error}") from error
    for name in rules:
        check_name(POLICY_KEY, path, name)
    return Policy(rules, str(path))
