"""A helper: this machine computes layers of a model that another node serves (`genai-xapp rpc-serve`)."""
