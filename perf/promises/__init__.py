"""The benchmark of promises: deadlines, priorities, refusals against their bars, `python -m perf.promises`.

mix        what callers ask: lengths, deadlines, prompts; drawn with a seed
client     callers in a process of their own        field      servers and their callers
overload, critical, refusal                         one row of the table each
bars       from samples to rows                     run        rounds, command line
"""
