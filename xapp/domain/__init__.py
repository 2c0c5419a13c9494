"""Ground floor: what the parts of the program tell each other. It imports nothing else of the project."""
