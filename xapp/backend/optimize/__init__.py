"""Which format of a model's weights is the fastest on this CPU, and what it costs; writes it, too.

Quantizing and measuring happen in child processes, one for each job: `process` asks, `child` answers.
`run` is the whole.
"""
