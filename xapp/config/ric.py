"""`[ric]`: the connection to a near-RT RIC, and the source of policies."""

from typing import Annotated

import msgspec
from msgspec import Meta


class RicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """URLs and endpoints; "" is off. `policies` is a file or a folder, as an alternative to `a1_url`."""

    appmgr_url: str = ""
    http_endpoint: str = ""
    rmr_endpoint: str = ""
    alarms_url: str = ""
    policies: str = ""
    a1_url: str = ""
    a1_poll_s: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    policy_type: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 21100
    status_url: str = ""
