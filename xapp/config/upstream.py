"""`[upstream]`: another node, or an OpenAI-compatible endpoint, that answers requests of this node."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xapp.config.values import Positive, Seconds


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` "none" is no upstream. `target` is HOST:PORT of a node, or the base URL of an endpoint.

    `key_file` has the token or the API key. `ca_file` has the authorities that the upstream's certificate may
    come from, "" the usual ones. `mode` is for requests that name none. `signal` says how AUTO finds out the
    difficulty, `threshold` is the difficulty above which it asks the upstream.
    """

    kind: Literal["none", "genai-xapp", "openai"] = "none"
    target: str = ""
    model: str = ""
    key_file: str = ""
    ca_file: str = ""
    plain_text: bool = False
    mode: Literal["local", "upstream", "auto"] = "auto"
    signal: Literal["first_tokens", "difficulty", "who_answers", "classifier", "hidden_state"] = (
        "first_tokens"
    )
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    classifier: str = ""
    probe: str = ""
    max_in_flight: Positive = 16
    first_token_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 10.0
