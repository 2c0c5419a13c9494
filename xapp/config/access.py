"""`[access]`: who may call, and what each caller may do."""

from typing import Annotated

import msgspec
from msgspec import Meta


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of files; "" is none. `jwks` may be a URL.

    `open` lists what needs no credentials, `closed` what nobody may use, both separated by commas.
    `max_calls` applies to each address and each principal. `insecure` permits other machines to call without
    credentials.
    """

    insecure: bool = False
    tokens_file: str = ""
    jwks: str = ""
    jwks_ca: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_name_claim: str = "sub"
    jwt_groups_claim: str = "groups"
    policy_file: str = ""
    open: str = "health"
    closed: str = ""
    max_calls: Annotated[int, Meta(ge=1, le=100_000)] = 4096
