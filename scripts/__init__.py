"""What the Makefile runs: building llama.cpp, locks, stubs, checks."""
