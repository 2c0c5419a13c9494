"""Converts requests from the wire to domain types, with every check that needs no model.

Raises InvalidArgument with the path of the field in the proto. `respond` converts answers.
"""
