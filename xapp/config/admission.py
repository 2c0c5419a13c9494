"""`[admission]`: which requests come in, and how long they may take."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xapp.config.values import Positive, Seconds


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`by_deadline` refuses a request at once that is predicted to miss its deadline.

    `order` decides who goes first within a class: `shortest` answers, the first to arrive, or whichever pays.

    `lengths` says what tells the length of answers: earlier answers, or also the prompt, where that pays.
    """

    max_queue: Annotated[int, Meta(ge=0, le=100_000)] = 64
    max_output_tokens: Positive = 2048
    default_deadline_s: Seconds = 600.0
    max_deadline_s: Seconds = 3600.0
    deadline_margin_ms: Annotated[float, Meta(ge=0, le=60_000)] = 50.0
    by_deadline: bool = True
    join_identical: bool = True
    order: Literal["auto", "arrival", "shortest"] = "arrival"
    lengths: Literal["auto", "history"] = "auto"
    quotas: str = ""
