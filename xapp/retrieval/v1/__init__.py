"""The retrieval API, generated from proto/."""
