"""The perf harness: what a node can do, measured. `genai-xapp bench MODE`.

    record/     result files: schema, writing and resuming, statistics
    targets/    who is measured, with one client a protocol: our gRPC endpoint, any OpenAI-compatible server
    callers/    a process of callers, and the prompts they send
    data/       evaluation data: dialogues, questions, traces
    paper/  accuracy/  load/  compare/  engine/  serving/  promises/     one folder a mode
    report/     pages and pictures from result files
    cli/        the commands

`round_loop` is the loop of the modes that measure in rounds, `bar_table` the table of those with bars.
No figure is to be trusted without the machine and the run it came from.
"""
