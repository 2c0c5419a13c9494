"""Names a copy of a model in another format beside its source: whole and recorded, or not at all.

The copy grows as a hidden partial file that is named after its source. A process that makes copies of a model
holds the source's lock, and removes the remains of interrupted runs.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.digest import Record, hash_file, keep_record, make_record, record_of, sidecar
from xapp.models.formats import FORMATS, Format
from xapp.models.info import read_gguf
from xapp.models.landing import sync
from xapp.models.parts import SUFFIX, model_name
from xapp.models.store import ModelFile
from xapp.models.transfer import Progress, one_at_a_time, raise_for_disk


@dataclass(frozen=True, slots=True)
class Derived:
    """A model in another format. `origin` is the digest of all parts of the source."""

    source: ModelFile
    origin: str
    format: Format

    @property
    def path(self) -> Path:
        """The source's name with the format behind it, so that the format of the source stays readable."""
        return _place(self.source.path, self.format)

    @property
    def model(self) -> ModelFile:
        """The model after it has landed."""
        return ModelFile(model_name(self.path), self.path)

    @property
    def partial(self) -> Path:
        """The partial file. Removing the source removes it as well."""
        return _partial(self.source.path, self.format)

    @property
    def record_source(self) -> str:
        """The source in its record."""
        return f"{self.format.name} of {self.source.path.name} ({self.origin})"

    def there(self) -> Record | None:
        """The record of a copy that was made before from the same source, or None. Raises ModelError for
        another file with that name.
        """
        if not self.path.exists():
            return None
        record = record_of(self.path)
        if record and record.fits(self.path.stat()) and self._is_of(record):
            return record
        raise ModelError(
            f"{self.path} exists and was not made of this {self.source.path.name}; "
            f"to replace it, remove it first: genai-xapp models rm {self.model.name}",
            reason="OTHER_FILE_THERE",
        )

    def _is_of(self, record: Record) -> bool:
        return (record.origin, record.format) == (self.origin, self.format.name)


def _place(source: Path, form: Format) -> Path:
    return source.with_name(f"{model_name(source)}.{form.name}{SUFFIX}")


def _partial(source: Path, form: Format) -> Path:
    return source.with_name(f".{source.name}.{form.name}.partial")


@contextmanager
def making_copies(source: ModelFile, progress: Progress) -> Iterator[None]:
    """Holds the source's lock during the block, and removes partial files before and after it. Raises
    ModelError where the folder cannot be written to.
    """
    with ExitStack() as stack:
        _or_model_error(source, lambda: stack.enter_context(one_at_a_time(source.path, progress)))
        stack.callback(_or_model_error, source, lambda: _clear(source))
        _or_model_error(source, lambda: _clear(source))
        yield


def _or_model_error(source: ModelFile, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise_for_disk(error, source.path.parent, 0, f"a copy of {source.name}")


def _clear(source: ModelFile) -> None:
    """Removes partial files, and records whose file did not get its name. Remains of a pull of the source
    stay, since the next pull continues from them.
    """
    for form in FORMATS.values():
        _partial(source.path, form).unlink(missing_ok=True)
        place = _place(source.path, form)
        if not place.exists():
            sidecar(place).unlink(missing_ok=True)


def land_copy(copy: Derived, progress: Progress, tool: str) -> Record:
    """Checks the partial file, records it and gives it its name. `tool` is the program that made it. Raises
    ModelError with the file.
    """
    read_gguf(copy.partial)
    size = copy.partial.stat().st_size
    digest = hash_file(copy.partial, lambda done: progress.update("checking", done, size))
    try:
        sync(copy.partial)
        record = replace(
            make_record(copy.partial, digest, copy.record_source),
            origin=copy.origin,
            format=copy.format.name,
            tool=tool,
        )
        keep_record(copy.path, record)
        copy.partial.replace(copy.path)
    except OSError as error:
        raise_for_disk(error, copy.path.parent, size, str(copy.path))
    return record
