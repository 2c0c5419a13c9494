"""`[log]`: the content and format of the log."""

from typing import Literal

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`prompts`: whether the log contains prompts."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "plain"] = "auto"
    prompts: bool = False
