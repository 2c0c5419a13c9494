"""The types that the parts of the program exchange. It imports nothing else of the project."""
