"""Vectors: what serving them costs against a bare loop, and what they cost running answers."""
