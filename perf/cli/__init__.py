"""The commands of `genai-xapp bench`; `bench_NAME` has the command NAME."""
