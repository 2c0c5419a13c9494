"""`hf:OWNER/REPOSITORY/FILE.gguf`: the name of a model on the hub."""

from dataclasses import dataclass

from xapp.errors import ModelError
from xapp.models.catalogue import flat_name
from xapp.models.parts import SUFFIX, part_of

PREFIX = "hf:"


@dataclass(frozen=True, slots=True)
class HubName:
    """The repository, and the file in it: of a model in several parts the first."""

    repo: str
    file: str

    @property
    def source(self) -> str:
        """The name, as the record of a file has it."""
        return f"{PREFIX}{self.repo}/{self.file}"

    @property
    def local_file(self) -> str:
        """The file's name in the models folder."""
        return flat_name(self.file)


def read_hub_name(name: str) -> HubName:
    """Raises ModelError for a name that no file of the hub can have."""
    parts = name.removeprefix(PREFIX).split("/")
    hidden = any(part.startswith(".") for part in parts)
    if len(parts) < 3 or not all(parts) or hidden or not name.endswith(SUFFIX) or not name.isprintable():
        raise ModelError(
            f"{name[:256]!r}: a file of the hub is written {PREFIX}OWNER/REPOSITORY/FILE{SUFFIX}"
        )
    repo, file = "/".join(parts[:2]), "/".join(parts[2:])
    if part := part_of(file):
        file = part.at(1)
    return HubName(repo, file)
