"""The image by itself, with the limits of a small Raspberry Pi: `python -m tests.image`."""
