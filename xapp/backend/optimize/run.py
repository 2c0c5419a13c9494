"""Measures a model in several formats on this node, and writes the chosen format."""

from dataclasses import dataclass

from xapp.backend.node import this_node
from xapp.backend.optimize.copies import make, predict
from xapp.backend.optimize.figures import Measured, best
from xapp.backend.optimize.jobs import Blank
from xapp.backend.optimize.measure import measure
from xapp.backend.optimize.space import check_disk, check_memory
from xapp.errors import ModelError
from xapp.models.derived import Derived, land_copy, making_copies
from xapp.models.digest import Record
from xapp.models.formats import FORMATS, WHOLE, format_name
from xapp.models.info import GgufInfo, read_gguf
from xapp.models.parts import check_parts, model_digest, total_bytes
from xapp.models.store import ModelFile
from xapp.models.transfer import Progress
from xapp.version import build

BEST = "best"
"""In place of a format's name: the best format by measurement."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The options. `rounds` 0: no speed is measured, and `write` names a format. `max_loss` 0.01: 1 %.

    `blanks` are sentences of WinoGrande that each format fills in.
    """

    formats: tuple[str, ...]
    rounds: int
    max_loss: float
    write: str = ""
    blanks: tuple[Blank, ...] = ()

    @property
    def named(self) -> str:
        """The format to write without regard to measurements; "" where there is none."""
        return "" if self.write == BEST else self.write

    @property
    def all_formats(self) -> tuple[str, ...]:
        """The formats to make."""
        names = (*self.formats, self.named) if self.rounds else (self.named,)
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True, slots=True)
class Written:
    """The copy that is in the models folder now. `was_there`: it existed before."""

    model: ModelFile
    record: Record
    was_there: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result. `measured` begins with the source. `best` is a format, or "" when the source stays."""

    source: ModelFile
    digest: str
    threads: int
    measured: tuple[Measured, ...]
    best: str
    written: Written | None

    @property
    def source_is_rounded(self) -> bool:
        """Whether the source is already quantized, so that its loss cannot be undone by a copy."""
        return read_gguf(self.source.path).file_type not in WHOLE


def optimize(model: ModelFile, wish: Wish, progress: Progress) -> Outcome:
    """Optimizes a model. Blocks for seconds to minutes. Raises ModelError with the file."""
    own = format_name(_checked(model).file_type)
    names = _names(model, wish, own)
    size = total_bytes(model.path)
    digest = model_digest(model.path, lambda done: progress.update("hashing", done, size))
    copies = {name: Derived(model, digest, FORMATS[name]) for name in names}
    with making_copies(model, progress):
        return _Run(Measured(f"{own} (source)", model.path, size), copies, wish, progress).run()


def _checked(model: ModelFile) -> GgufInfo:
    """The header's information.

    Raises ModelError for a missing part, and for a model without text generation.
    """
    check_parts(model.path)
    info = read_gguf(model.path)
    if not info.kind.generates:
        text = f"{model.path} is of kind {info.kind.name} ({info.architecture}): it generates no text"
        raise ModelError(text, reason="UNSUPPORTED_MODEL")
    return info


def _names(model: ModelFile, wish: Wish, own: str) -> list[str]:
    """The formats to make, without the source's own."""
    names = [name for name in wish.all_formats if name != own]
    if wish.named == own or not names:
        raise ModelError(f"{model.path} is {own} already", reason="SAME_FORMAT")
    return names


class _Run:
    """One optimization, under the source's lock."""

    def __init__(self, source: Measured, copies: dict[str, Derived], wish: Wish, progress: Progress) -> None:
        self._source = source
        self._copies = copies
        self._wish = wish
        self._progress = progress
        self._node = this_node()
        self._there = _there(copies, wish)

    def run(self) -> Outcome:
        """Implements `optimize`. An existing copy is not made again only to be written."""
        others: list[Measured] = []
        if self._wish.rounds or self._wish.named not in self._there:
            others = self._made()
        chosen = self._measured(others) if self._wish.rounds else ""
        written = self._write(self._wish.named or (chosen if self._wish.write else ""), others)
        first = next(iter(self._copies.values()))
        shown = (self._source, *others) if self._wish.rounds else ()
        return Outcome(first.source, first.origin, self._node.cores, shown, chosen, written)

    def _made(self) -> list[Measured]:
        """Makes every partial file. An impossible format has a fault. If all are, raises ModelError."""
        expected, faults = predict(list(self._copies.values()))
        folder, name = self._source.path.parent, next(iter(self._copies.values())).source.name
        check_disk(folder, expected, name)
        check_memory(self._node, self._source.path, self._source.size_bytes, expected)
        sizes = {
            each: make(self._copies[each], size, self._node.cores, self._progress)
            for each, size in expected.items()
        }
        return [
            Measured(each, copy.partial, sizes.get(each, 0), fault=faults.get(each, ""))
            for each, copy in self._copies.items()
        ]

    def _measured(self, others: list[Measured]) -> str:
        """The best format."""
        wish = self._wish
        measure(self._source, others, wish.rounds, self._node.cores, self._progress, blanks=wish.blanks)
        found = best(self._source, others, wish.max_loss)
        return found.format if found else ""

    def _write(self, name: str, others: list[Measured]) -> Written | None:
        if not name:
            return None
        copy = self._copies[name]
        if record := self._there.get(name):
            return Written(copy.model, record, was_there=True)
        fault = next(each.fault for each in others if each.format == name)
        if fault:
            raise ModelError(fault, reason="CANNOT_QUANTIZE")
        return Written(copy.model, land_copy(copy, self._progress, build()), was_there=False)


def _there(copies: dict[str, Derived], wish: Wish) -> dict[str, Record]:
    """The existing copies in the formats to write. Raises ModelError for other files of the same name."""
    eligible = (
        copies if wish.write and not wish.named else {name: copies[name] for name in [wish.named] if name}
    )
    return {name: record for name, copy in eligible.items() if (record := copy.there())}
