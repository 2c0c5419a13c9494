"""What admission is asked for a request: by when, for whom, and how long the answer may become."""

from xapp.admission.open_request import AdmissionRequest
from xapp.config import AdmissionSettings
from xapp.domain.requests import DeadlinePolicy, Prompt, Request
from xapp.errors import InvalidArgument

MAX_MARGIN = 0.5
"""The margin takes at most this share of the time there is."""


def admission_request(
    request: Request, settings: AdmissionSettings, limit: int, arrival: float
) -> AdmissionRequest:
    """`limit` is the context, tokens; `arrival` is on CLOCK_MONOTONIC. Raises InvalidArgument."""
    best_effort = request.deadline_policy is DeadlinePolicy.BEST_EFFORT
    return AdmissionRequest(
        arrival=arrival,
        deadline=_deadline(request, settings, arrival, cut=best_effort),
        max_tokens=max_tokens(request, settings, limit - 1),
        priority=request.priority,
        best_effort=best_effort,
        client=request.client,
        kind=_kind(request),
        exact=request.ignore_eos,
        max_gap_s=request.max_gap_s,
        deterministic=request.deterministic,
        num_bytes=_num_bytes(request.prompt),
        scope=request.scope,
    )


def _kind(request: Request) -> str:
    """Nobody learns from an estimate how long the answers to others become."""
    return f"{request.scope} {request.task_label or request.client}".lstrip()


def _deadline(request: Request, settings: AdmissionSettings, arrival: float, *, cut: bool) -> float:
    """When the answer must have ended: centuries are cut down, and who takes part of one gets it in time."""
    if request.deadline is None:
        return arrival + min(settings.default_deadline_s, settings.max_deadline_s)
    left_s = min(request.deadline - arrival, settings.max_deadline_s)
    if cut and left_s > 0:
        left_s -= min(settings.deadline_margin_ms / 1000, MAX_MARGIN * left_s)
    return arrival + left_s


def max_tokens(request: Request, settings: AdmissionSettings, room: int) -> int:
    """Tokens that the answer may have, where the context has room for `room`."""
    wanted = request.max_tokens
    if wanted is not None and wanted < 1:
        raise InvalidArgument("max_tokens", f"must be at least 1, is {wanted}")
    most = min(room, settings.max_output_tokens)
    return most if wanted is None else min(wanted, most)


def _num_bytes(prompt: Prompt) -> int:
    """About; counting characters costs nothing."""
    return len(prompt) if isinstance(prompt, str) else sum(len(turn.content) for turn in prompt)
