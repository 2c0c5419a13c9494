"""`[workers]`: the supervision of worker processes."""

import msgspec

from xapp.config.values import Seconds


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the time to load, of the time without a message, and of the time between restarts."""

    load_timeout_s: Seconds = 600.0
    hang_timeout_s: Seconds = 300.0
    restart_backoff_max_s: Seconds = 30.0
