"""Decides from figures which alarms are raised, and tells the alarm manager."""

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
    """A figure that decides on an alarm. `subject` is its object, mostly the name of a model."""

    kind: AlarmKind
    subject: str
    value: float

    @property
    def key(self) -> str:
        """The key of the alarm."""
        return f"{self.kind.id} {self.subject}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, raised or cleared."""

    kind: AlarmKind
    subject: str
    raised: bool


class Hysteresis:
    """The state of one alarm."""

    def __init__(self, kind: AlarmKind, subject: str) -> None:
        self._kind = kind
        self._subject = subject
        self._num_against = 0
        self.raised = False

    @property
    def alarm(self) -> Alarm:
        """The present alarm."""
        return Alarm(self._kind, self._subject, self.raised)

    def see(self, value: float) -> None:
        """Takes the figure of another look."""
        kind = self._kind
        against = value < kind.clear_at if self.raised else value >= kind.raise_at
        self._num_against = self._num_against + 1 if against else 0
        if self._num_against >= (kind.clear_looks if self.raised else kind.raise_looks):
            self.raised = not self.raised
            self._num_against = 0


class AlarmManager:
    """The alarm manager at `url`. Alarms are raised by `who`, about the managed object `node`."""

    def __init__(self, platform: Platform, url: str, who: str, node: str) -> None:
        self._platform = platform
        self._url = url
        self._who = who
        self._node = node
        self._has_definitions = False

    def forget(self) -> None:
        """Defines the alarms again before the next one: an alarm manager that was restarted silently drops
        undefined alarms.
        """
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
    """Call `see` with figures again and again. `run` sends the changes."""

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
        """The alarms that are raised now."""
        return [memory.alarm for memory in self._memories.values() if memory.raised]

    def see(self, figures: Iterable[Figure]) -> None:
        """Takes all figures of a look. An alarm without a figure is cleared, since its object is gone."""
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
        """Sends all alarms again, with their definitions."""
        self._manager.forget()
        self.outbox.tell_again()

    async def leave(self) -> None:
        """Clears all raised alarms, since nobody will watch them any more. One try. Raises PlatformError."""
        self.see(())
        await self.outbox.flush()
