"""`[big]`: the big model that this node's models may ask."""

from typing import Annotated

import msgspec
from msgspec import Meta


class BigSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is another node, HOST:PORT; "" is this node. `model` is a name there, "" its default; without
    `target` it is required.

    `ca`, `cert`, `key` are paths of PEM files; without `ca` and `cert` the connection is plain text.
    `token_file` has the bearer token to show. A verification that takes longer than `timeout_s` counts as a
    lost link. `pipeline`: the little model goes on from its own guess meanwhile.
    """

    target: str = ""
    model: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_file: str = ""
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    pipeline: bool = True
