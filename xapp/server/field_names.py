"""Fields of this node's own contract in errors, as another protocol calls them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xapp.errors import InvalidArgument


class FieldNames:
    """`names` are by this node's own names. Longer names come first."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._own = re.compile(rf"^({'|'.join(map(re.escape, names))})(?=[.\[/]|$)")

    @contextmanager
    def applied(self) -> Iterator[None]:
        """An InvalidArgument names the field as the other protocol calls it."""
        try:
            yield
        except InvalidArgument as error:
            field = self._own.sub(lambda found: self._names[found[0]], error.field, count=1)
            raise InvalidArgument(field, error.description, reason=error.reason) from error
