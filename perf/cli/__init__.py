"""The commands of `genai-xapp bench`; each module has the command of its own name."""
