"""`python -m perf.serving`: another name of `genai-xapp bench serving`."""

import sys

from xapp.cli import main

main(["bench", "serving", *sys.argv[1:]])
