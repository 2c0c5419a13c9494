"""Checks that a model file is whole, and has the content of its pull."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.digest import PREFIX, OnBytes, digest_of, hash_file, record_of
from xapp.models.info import read_gguf
from xapp.models.parts import all_parts, check_parts, digest_of_parts, in_turn
from xapp.models.store import ModelFile


class Verdict(StrEnum):
    """The result of a check. UNRECORDED: sound, but without a known digest to compare with."""

    OK = "ok"
    UNRECORDED = "unrecorded"
    DIFFERS = "differs"
    BROKEN = "broken"


_BADNESS = (Verdict.OK, Verdict.UNRECORDED, Verdict.DIFFERS, Verdict.BROKEN)


@dataclass(frozen=True, slots=True)
class Check:
    """The result for one model: the worst of its parts. `digest` is empty if it was not computed."""

    model: ModelFile
    verdict: Verdict
    detail: str
    digest: str = ""

    @property
    def good(self) -> bool:
        """Whether the check found no fault."""
        return self.verdict in (Verdict.OK, Verdict.UNRECORDED)


def verify(model: ModelFile, on_bytes: OnBytes | None = None) -> Check:
    """Checks the structure, hashes the file and compares it with the recorded digest. Raises nothing."""
    try:
        check_parts(model.path)
        checks = [_verify_part(model, part, done) for part, done in in_turn(model.path, on_bytes)]
    except ModelError as error:
        return Check(model, Verdict.BROKEN, error.message)
    worst = max(checks, key=lambda check: _BADNESS.index(check.verdict))
    return replace(worst, model=model, digest=digest_of_parts([check.digest for check in checks]))


def difference(model: ModelFile, digest: str) -> str:
    """The difference between a model's digest and its record or the catalogue, in words; "" without a
    difference. Raises ModelError.
    """
    parts = all_parts(model.path)
    for part in parts:
        own = model if part == model.path else ModelFile(model.name, part)
        check = _compare(own, digest if len(parts) == 1 else digest_of(part), catalogue_counts=True)
        if not check.good:
            return check.detail
    return ""


def _verify_part(model: ModelFile, part: Path, on_bytes: OnBytes) -> Check:
    """Checks one file. `_expected` knows the catalogue's entry for the first file only."""
    read_gguf(part)
    own = model if part == model.path else ModelFile(model.name, part)
    return _compare(own, hash_file(part, on_bytes))


def _compare(model: ModelFile, digest: str, *, catalogue_counts: bool = False) -> Check:
    wanted, source = _expected(model)
    if not wanted and catalogue_counts and model.entry and model.entry.sha256:
        wanted, source = PREFIX + model.entry.sha256, "the catalogue"
    if not wanted and model.entry and digest == PREFIX + model.entry.sha256:
        return Check(model, Verdict.OK, "as the catalogue says; no record of where it is from", digest)
    if not wanted:
        return Check(model, Verdict.UNRECORDED, "sound; no digest on record to compare with", digest)
    if digest == wanted:
        return Check(model, Verdict.OK, f"as recorded from {source}", digest)
    text = f"{model.path} has {digest}, {source} says {wanted}"
    return Check(model, Verdict.DIFFERS, text, digest)


def _expected(model: ModelFile) -> tuple[str, str]:
    """The expected digest: of the record, else of a pinned package. The catalogue's other hashes are no
    authority.
    """
    if record := record_of(model.path):
        return record.digest, record.source or "its record"
    if model.entry and model.entry.package:
        return PREFIX + model.entry.sha256, model.entry.package.requirement
    return "", ""
