"""`[tasks]`: the node's named questions."""

import msgspec


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`dir` "" is the tasks that are shipped; `pin` keeps computed what their prompts begin with."""

    dir: str = ""
    pin: bool = True
