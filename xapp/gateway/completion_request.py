"""The body of POST /v1/completions: text, continued as it is."""

from typing import Annotated

from msgspec import Meta

from xapp.domain.requests import Prompt
from xapp.domain.sampling import MAX_TOP
from xapp.errors import InvalidArgument
from xapp.gateway.fields import Unsupported, read_fields
from xapp.gateway.sampling_fields import Ask, SamplingFields, includes_usage
from xapp.gateway.to_request import Asker, to_request

DEFAULT_MAX_TOKENS = 16
"""The dialect's."""

UNSUPPORTED = {
    "best_of": Unsupported((1,), "use n"),
    "echo": Unsupported((False,)),
    "suffix": Unsupported(("",)),
}


class CompletionFields(SamplingFields, frozen=True, kw_only=True):
    """The supported fields. Several prompts and prompts in tokens are refused."""

    prompt: str | list[str] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP)] | None = None


def read_completion(body: bytes, asker: Asker) -> Ask:
    """Raises InvalidArgument with the field."""
    fields = read_fields(body, CompletionFields, UNSUPPORTED)
    # A task has a length of its own.
    default = DEFAULT_MAX_TOKENS if fields.task is None else None
    max_tokens = default if fields.max_tokens is None else fields.max_tokens
    request = to_request(fields, asker, _prompt(fields), max_tokens, top_log_probabilities=fields.logprobs)
    return Ask(request, fields.n or 1, bool(fields.stream), includes_usage(fields))


def _prompt(fields: CompletionFields) -> Prompt:
    prompt = fields.prompt
    if fields.task is not None:
        if prompt:
            raise InvalidArgument("prompt", "must be empty beside task, which makes the prompt")
        return ()
    if isinstance(prompt, list):
        if len(prompt) != 1:
            raise InvalidArgument("prompt", f"has {len(prompt)} texts: one is taken a request")
        prompt = prompt[0]
    if not prompt:
        raise InvalidArgument("prompt", "is empty")
    return prompt
