"""Prints what a root directory has as a CycloneDX bill of materials: Python's packages and Debian's.

    python scripts/sbom.py ROOT SITE_PACKAGES > sbom.cdx.json

Standard library only: it runs during the image's build, for an image of any architecture. The output has no
time and no random number, so equal contents give equal bytes.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]

DPKG_STATUS = Path("var/lib/dpkg/status")
OS_RELEASE = Path("usr/lib/os-release")


def bill(components: list[Component]) -> dict[str, object]:
    """The document around the components, sorted."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "genai-xapp"}},
        "components": sorted(components, key=lambda component: str(component["purl"])),
    }


def python_packages(*folders: Path) -> Iterator[Component]:
    """The packages in the folders, once a name."""
    found = {normal(d.metadata["Name"]): d for d in distributions(path=[str(folder) for folder in folders])}
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


def main(root: Path, site_packages: Path) -> None:
    """The bill of the root directory."""
    components = list(python_packages(site_packages))
    distro = distro_of((root / OS_RELEASE).read_text())
    components += debian_packages((root / DPKG_STATUS).read_text(), distro)
    json.dump(bill(components), sys.stdout, indent=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
