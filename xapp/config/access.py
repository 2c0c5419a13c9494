"""`[access]`: who may call, and what each caller may do."""

import msgspec


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of TOML files; "" is none. `open` is what needs no credentials, separated by commas."""

    tokens_file: str = ""
    policy_file: str = ""
    open: str = "health"
