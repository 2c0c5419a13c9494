"""Finds the fastest format of a model's weights on this CPU, with its loss of quality, and writes it.

Quantizing and measuring run in child processes, one for each job: `process` starts a child, and
`job_process` is the child. `run` is the whole optimization.
"""
