"""`[openai]`: the HTTP port with OpenAI's dialect."""

from typing import Annotated

import msgspec
from msgspec import Meta


class OpenAiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`port` 0: there is no such port.

    `hosts` are the names by which callers may address the port in addition to addresses and `localhost`, and
    `origins` the web origins whose pages may call it, both separated by commas. `*` allows every name.
    """

    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    hosts: str = ""
    origins: str = ""
