"""Prints what is installed beside it as a CycloneDX bill of materials: Python's packages and Debian's.

    python scripts/sbom.py > sbom.cdx.json

Standard library only: it runs in the last stage of the image's build. The output has no time and no
random number, so equal contents give equal bytes.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]

DPKG_STATUS = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")


def bill(components: list[Component]) -> dict[str, object]:
    """The document around the components, sorted."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "genai-xapp"}},
        "components": sorted(components, key=lambda component: str(component["purl"])),
    }


def python_packages() -> Iterator[Component]:
    """What this Python can import, once a name."""
    found = {normal(d.metadata["Name"]): d for d in distributions()}
    for name, distribution in found.items():
        licences = distribution.metadata.get_all("License-Expression") or [None]
        yield component(name, distribution.version, f"pkg:pypi/{name}@{distribution.version}", licences[0])


def normal(name: str) -> str:
    """The one spelling of a Python package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def debian_packages(status: str, distro: str) -> Iterator[Component]:
    """The installed packages of dpkg's status file."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            where = f"arch={fields['Architecture']}&distro={distro}"
            yield component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?{where}", None)


def component(name: str, version: str, purl: str, licence: str | None) -> Component:
    """One library."""
    licences = {"licenses": [{"expression": licence}]} if licence else {}
    return {"type": "library", "name": name, "version": version, "purl": purl, **licences}


def distro_of(os_release: str) -> str:
    """`debian-12`, for instance."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return "-".join(fields.get(key, "").strip('"') for key in ("ID", "VERSION_ID")).strip("-")


def main() -> None:
    """The bill of this environment."""
    components = list(python_packages())
    if DPKG_STATUS.is_file():
        components += debian_packages(DPKG_STATUS.read_text(), distro_of(OS_RELEASE.read_text()))
    json.dump(bill(components), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
