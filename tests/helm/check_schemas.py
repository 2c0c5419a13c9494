"""Checks manifests against the schemas of Kubernetes, in an environment with `kubernetes-validate` alone.

    python check_schemas.py FILE VERSION...

FILE is a JSON object: a name, and its manifests. Prints a line for each fault.
"""

import importlib
import json
import sys
from pathlib import Path


def main(file: str, *versions: str) -> None:
    """A line: the version, the name, the manifest's kind, the fault."""
    # By its name: the environment of the tests has no such package.
    package = importlib.import_module("kubernetes_validate")
    for name, manifests in json.loads(Path(file).read_text()).items():
        for manifest in manifests:
            for version in versions:
                try:
                    package.validate(manifest, version, strict=True)
                except Exception as error:  # noqa: BLE001  whatever it says of the manifest
                    said = str(error).splitlines()[0]
                    print(version, name, manifest["kind"], type(error).__name__, said, sep=": ")


if __name__ == "__main__":
    main(*sys.argv[1:])
