"""The perf harness: what a node can do, measured. `genai-xapp bench MODE`, and `python -m perf.serving`.

    record/     result files: schema, writing and resuming, statistics
    targets/    who is measured: our gRPC endpoint, any OpenAI-compatible server
    data/       evaluation data: dialogues, questions, traces
    paper/  accuracy/  load/  compare/  engine/     one folder a mode
    report/     pages and pictures from result files
    serving/    the service's own bars, and the bare baseline they are ratios of

No figure is to be trusted without the machine and the run it came from.
"""
