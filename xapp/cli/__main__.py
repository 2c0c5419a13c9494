"""`python -m xapp.cli` is `genai-xapp`."""

from xapp.cli import main

main(prog_name="genai-xapp")
