"""A model over helpers beside the same model in one process."""
