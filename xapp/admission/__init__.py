"""Admission: deadlines, predictions, quotas and classes decide which requests come in."""
