"""`[log]`: what is logged, and how."""

from typing import Literal

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`prompts` is whether the log has them."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "plain"] = "auto"
    prompts: bool = False
