"""Policies from A1's REST interface, asked again and again: to xApps A1 itself speaks over RMR only."""

from typing import Any
from urllib.parse import quote

from xapp.ric.platform import Platform, PlatformError
from xapp.ric.policy_source import Found, SourceError, check_number, is_instance_id
from xapp.ric.policy_type import PolicyError, decode

URL_KEY = "XAPP_RIC_A1_URL"
_GONE = 404
_NOT_THERE = PolicyError("A1 lists it and does not have it")


class PolicyPolling:
    """`url` is A1's base URL.

    A type that A1 does not know is a failure, not an empty list: A1 lets nobody delete a type with instances,
    and a mediator that lost its memory must not lift every limit.
    """

    name = "A1"

    def __init__(self, platform: Platform, url: str, type_id: int, period_s: float) -> None:
        self._platform = platform
        self._url = f"{url}/A1-P/v2/policytypes/{type_id}/policies"
        self.period_s = period_s

    async def read(self) -> Found:
        """Reads all policies. Raises SourceError when an answer is missing or invalid."""
        try:
            found: dict[str, Any | PolicyError] = {}
            for instance in await self._ids():
                reply = await self._platform.ask("GET", f"{self._url}/{quote(instance, safe='')}")
                # It was deleted meanwhile, or the way to A1 is broken: the next list tells.
                is_gone = reply.status == _GONE
                found[instance] = _NOT_THERE if is_gone else _payload(reply.expect(200).body)
        except PlatformError as error:
            raise SourceError(str(error)) from error
        return found

    async def _ids(self) -> list[str]:
        ids = (await self._platform.ask("GET", self._url)).expect(200).json()
        if not isinstance(ids, list) or not all(is_instance_id(each) for each in ids):
            raise SourceError("answered what is no list of policies")
        check_number(len(ids))
        return ids


def _payload(body: bytes) -> Any:
    try:
        return decode(body)
    except PolicyError as error:
        return error
