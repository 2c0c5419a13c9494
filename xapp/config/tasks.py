"""`[tasks]`: the tasks of this node."""

import msgspec


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`dir` "" is the included tasks. `pin`: the common prefixes of their prompts are pinned."""

    dir: str = ""
    pin: bool = True
