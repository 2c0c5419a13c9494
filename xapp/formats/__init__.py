"""Formats of answers (JSON schema, grammar or choices), converted for the sampler."""
