"""A process of callers, as who starts it sees it."""

from collections.abc import Sequence

import msgspec

from perf.callers.load_commands import Command, Failed, Reply, Seen, ServerAddress
from perf.json_child import Child
from perf.targets.target import TargetError


class Callers(Child):
    """Callers of one server; a context manager. `prefix` goes before the command. Raises ChildError."""

    def __init__(self, server: ServerAddress, prefix: Sequence[str] = ()) -> None:
        argument = msgspec.json.encode(server).decode()
        super().__init__("perf.callers.caller_process", argument, prefix=prefix)

    def play(self, command: Command) -> Seen:
        """Has a command carried out. Raises ChildError, TargetError."""
        reply: Reply = msgspec.json.decode(self.ask(command), type=Reply)
        if isinstance(reply, Failed):
            raise TargetError(reply.code, reply.message)
        return reply
