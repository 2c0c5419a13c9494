"""`[workers]`: how worker processes are watched."""

import msgspec

from xapp.config.values import Seconds


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times after which a worker's load ends, a worker counts as hung, and one is started again."""

    load_timeout_s: Seconds = 600.0
    hang_timeout_s: Seconds = 300.0
    restart_backoff_max_s: Seconds = 30.0
