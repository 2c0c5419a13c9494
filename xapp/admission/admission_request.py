"""Makes an AdmissionRequest: deadline, class, client and length of a request."""

from xapp.admission.open_request import AdmissionRequest
from xapp.admission.prompt_features import text_of
from xapp.config import AdmissionSettings
from xapp.domain.decoding import PLAIN, Decoding
from xapp.domain.requests import DeadlinePolicy, Prompt, Request
from xapp.errors import InvalidArgument

MAX_MARGIN = 0.5
"""The margin is at most this share of the time to the deadline."""


def admission_request(
    request: Request, settings: AdmissionSettings, limit: int, arrival: float, decoding: Decoding = PLAIN
) -> AdmissionRequest:
    """`limit`: tokens of the context. `arrival`: on CLOCK_MONOTONIC. Raises InvalidArgument."""
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
        drafts=decoding != PLAIN,
        counted=request.counted,
        text=text_of(request.prompt),
    )


def _kind(request: Request) -> str:
    """The kind is within the scope: an estimate must not reveal the length of other clients' answers."""
    return f"{request.scope} {request.task_label or request.client}".lstrip()


def _deadline(request: Request, settings: AdmissionSettings, arrival: float, *, cut: bool) -> float:
    """When the answer must end. Excessive deadlines are cut. A partial answer must end a margin earlier."""
    if request.deadline is None:
        return arrival + min(settings.default_deadline_s, settings.max_deadline_s)
    left_s = min(request.deadline - arrival, settings.max_deadline_s)
    if cut and left_s > 0:
        left_s -= min(settings.deadline_margin_ms / 1000, MAX_MARGIN * left_s)
    return arrival + left_s


def max_tokens(request: Request, settings: AdmissionSettings, room: int) -> int:
    """Largest number of tokens of the answer, where the context has room for `room`."""
    wanted = request.max_tokens
    if wanted is not None and wanted < 1:
        raise InvalidArgument("max_tokens", f"must be at least 1, is {wanted}")
    most = min(room, settings.max_output_tokens)
    return most if wanted is None else min(wanted, most)


def _num_bytes(prompt: Prompt) -> int:
    """Approximate size: characters are cheaper to count than bytes."""
    return len(prompt) if isinstance(prompt, str) else sum(turn.num_chars for turn in prompt)
