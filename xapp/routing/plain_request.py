"""What no upstream is asked for: requests with it stay here, and nothing is lost on the way."""

from xapp.domain.format_kinds import ToolCalls
from xapp.domain.requests import ChatMessage, Prompt, Request


def beyond_plain(request: Request) -> str:
    """What of the request is neither text nor a common parameter; "" for nothing."""
    sampling = request.sampling
    found = {
        "tools": isinstance(request.format, ToolCalls),
        "turns with tools": not _is_text(request.prompt),
        "penalties or logit_bias": bool(
            sampling.presence_penalty or sampling.frequency_penalty or sampling.logit_bias
        ),
        "top_log_probabilities": sampling.top_log_probabilities is not None,
        "max_reasoning_tokens": sampling.max_reasoning_tokens is not None,
    }
    return next((what for what, asked in found.items() if asked), "")


def _is_text(prompt: Prompt) -> bool:
    return isinstance(prompt, str) or all(turn == ChatMessage(turn.role, turn.content) for turn in prompt)
