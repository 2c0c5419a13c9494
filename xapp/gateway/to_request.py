"""The common part of every request for an answer: from the dialect's fields to a domain Request."""

from collections.abc import Mapping
from dataclasses import dataclass

from xapp import hops
from xapp.domain.format_kinds import Format
from xapp.domain.priority import Priority
from xapp.domain.requests import Prompt, Request
from xapp.edge import caller_text
from xapp.gateway import extensions
from xapp.gateway.sampling_fields import SamplingFields, sampling_of, stops_of
from xapp.security.principal import Principal


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the principal, the headers, and the name that the request has in the logs."""

    caller: Principal
    headers: Mapping[str, str]
    correlation_id: str


def to_request(
    fields: SamplingFields,
    asker: Asker,
    prompt: Prompt,
    max_tokens: int | None,
    *,
    form: Format | None = None,
    top_log_probabilities: int | None = None,
) -> Request:
    """Raises InvalidArgument with the field."""
    client, scope = client_of(asker.caller, fields.user)
    priority = extensions.priority(fields, asker.headers)
    gap_ms = fields.max_token_gap_ms
    return Request(
        prompt=prompt,
        model=fields.model,
        sampling=sampling_of(fields, top_log_probabilities),
        seed=fields.seed,
        max_tokens=max_tokens,
        stop=stops_of(fields),
        ignore_eos=bool(fields.ignore_eos),
        priority=Priority.INTERACTIVE if priority is None else priority,
        correlation_id=extensions.correlation_id(fields, asker.correlation_id),
        deadline=extensions.deadline(fields, asker.headers),
        deadline_policy=extensions.deadline_policy(fields, asker.headers),
        max_gap_s=None if gap_ms is None else gap_ms / 1000,
        deterministic=bool(fields.deterministic),
        client=client,
        scope=scope,
        format=form,
        task=extensions.task_call(fields, priority),
        retrieval=extensions.grounding(fields, asker.caller.scope),
        hops=hops.parse(asker.headers.get(hops.KEY, "0")),
    )


def client_of(caller: Principal, user: str | None) -> tuple[str, str]:
    """The client and the scope.

    A caller without a name is the `user` that it names. Users of a principal that proved its name do not
    share prefixes and joined answers, so that the time of an answer tells a user nothing about others.
    """
    if not user:
        return caller.name, caller.scope
    user = caller_text.correlation_id("user", user)
    if caller.proved:
        return caller.name, f"{caller.scope} user {user}"
    return caller.name or user, caller.scope
