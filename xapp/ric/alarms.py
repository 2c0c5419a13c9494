"""Decides from figures which alarms are raised, and says so to the alarm manager."""

from collections.abc import Iterable
from dataclasses import dataclass

from xapp.ric.alarm_kinds import KINDS, AlarmKind
from xapp.ric.backoff import Backoff
from xapp.ric.outbox import Outbox
from xapp.ric.platform import Platform, Reply

URL_KEY = "XAPP_RIC_ALARMS_URL"
MAX_ALARMS = 64
_ALARMS, _DEFINE = "/ric/v1/alarms", "/ric/v1/alarms/define"


@dataclass(frozen=True, slots=True)
class Figure:
    """What an alarm is judged by; `subject` is what it is about, a model's name mostly."""

    kind: AlarmKind
    subject: str
    value: float

    @property
    def key(self) -> str:
        """The alarm's own."""
        return f"{self.kind.id} {self.subject}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, raised or cleared."""

    kind: AlarmKind
    subject: str
    raised: bool


class Hysteresis:
    """One alarm's memory."""

    def __init__(self, kind: AlarmKind, subject: str) -> None:
        self._kind = kind
        self._subject = subject
        self._num_against = 0
        self.raised = False

    @property
    def alarm(self) -> Alarm:
        """As it is now."""
        return Alarm(self._kind, self._subject, self.raised)

    def see(self, value: float) -> None:
        """Another look."""
        kind = self._kind
        against = value < kind.clear_at if self.raised else value >= kind.raise_at
        self._num_against = self._num_against + 1 if against else 0
        if self._num_against >= (kind.clear_looks if self.raised else kind.raise_looks):
            self.raised = not self.raised
            self._num_against = 0


class AlarmManager:
    """The alarm manager behind `url`. `who` raises, about the managed object `node`."""

    def __init__(self, platform: Platform, url: str, who: str, node: str) -> None:
        self._platform = platform
        self._url = url
        self._who = who
        self._node = node
        self._has_definitions = False

    def forget(self) -> None:
        """It may have been started anew: what is not defined it drops without a word."""
        self._has_definitions = False

    async def send(self, key: str, alarm: Alarm) -> None:
        """Raises or clears. Raises PlatformError."""
        if not self._has_definitions:
            definitions = [kind.definition() for kind in KINDS]
            await self._ask("POST", _DEFINE, {"alarmdefinitions": definitions})
            self._has_definitions = True
        await self._ask("POST" if alarm.raised else "DELETE", _ALARMS, self._body(alarm))

    async def _ask(self, method: str, path: str, body: dict[str, object]) -> Reply:
        return (await self._platform.ask(method, self._url + path, body)).expect(200, 201, 202, 204)

    def _body(self, alarm: Alarm) -> dict[str, object]:
        return {
            "managedObjectId": self._node,
            "applicationId": self._who,
            "specificProblem": alarm.kind.id,
            "perceivedSeverity": alarm.kind.severity if alarm.raised else "CLEARED",
            "identifyingInfo": alarm.subject,
            "additionalInfo": alarm.kind.text,
            "AlarmAction": "RAISE" if alarm.raised else "CLEAR",
            "AlarmTime": 0,
        }


class Alarms:
    """`see` figures again and again; `run` sends what changed."""

    def __init__(self, manager: AlarmManager, backoff: Backoff | None = None) -> None:
        self._manager = manager
        self._memories: dict[str, Hysteresis] = {}
        self.outbox: Outbox[Alarm] = Outbox(
            "alarm manager",
            manager.send,
            most=MAX_ALARMS,
            is_last=lambda alarm: not alarm.raised,
            backoff=backoff,
        )

    @property
    def raised(self) -> list[Alarm]:
        """Those that are raised now."""
        return [memory.alarm for memory in self._memories.values() if memory.raised]

    def see(self, figures: Iterable[Figure]) -> None:
        """All of them; an alarm without a figure is cleared, for what it was about has gone."""
        seen = {figure.key: figure for figure in figures}
        for key in self._memories.keys() - seen.keys():
            self._clear(key)
        for key, figure in list(seen.items())[:MAX_ALARMS]:
            memory = self._memories.setdefault(key, Hysteresis(figure.kind, figure.subject))
            memory.see(figure.value)
            self.outbox.put(key, memory.alarm)

    def _clear(self, key: str) -> None:
        alarm = self._memories.pop(key).alarm
        self.outbox.put(key, Alarm(alarm.kind, alarm.subject, raised=False))

    def tell_again(self) -> None:
        """Definitions too."""
        self._manager.forget()
        self.outbox.tell_again()

    async def leave(self) -> None:
        """Clears what is raised: nobody will watch it any more. One try. Raises PlatformError."""
        self.see(())
        await self.outbox.flush()
