"""The bill of materials names what is installed, the same way each time."""

import sys
from pathlib import Path

from scripts.sbom import bill, debian_packages, distro_of, normal, python_packages

STATUS = """Package: libgomp1
Status: install ok installed
Architecture: arm64
Version: 12.2.0-14+deb12u1

Package: gone
Status: deinstall ok config-files
Architecture: arm64
Version: 1
"""


def test_packages_of_python_are_named_once_with_their_version() -> None:
    components = list(python_packages(*map(Path, sys.path)))
    names = [component["name"] for component in components]
    assert len(names) == len(set(names))
    (grpc,) = [component for component in components if component["name"] == "grpcio"]
    assert grpc["purl"] == f"pkg:pypi/grpcio@{grpc['version']}"


def test_only_installed_packages_of_debian_count() -> None:
    (component,) = debian_packages(STATUS, "debian-12")
    assert component["purl"] == "pkg:deb/debian/libgomp1@12.2.0-14%2Bdeb12u1?arch=arm64&distro=debian-12"


def test_the_order_says_nothing() -> None:
    components = list(python_packages(*map(Path, sys.path)))
    assert bill(components) == bill(components[::-1])


def test_names() -> None:
    assert normal("Ruamel.YAML__x") == "ruamel-yaml-x"
    assert distro_of('ID=debian\nVERSION_ID="12"\n') == "debian-12"
