"""`genai-xapp bench load`: a target under closed and open load, and the highest rate that keeps the limits.

    samples      what a run leaves in its file, and the figures' names
    arrivals     when requests come        lengths     how long they are
    prompts      texts of exact length     workload    what is asked, from distributions or a trace
    closed open  one step of load          meter       what the client itself costs
    step         runs one step             find        searches the highest rate
    figures      samples → figures         run         a whole run, with its journal

Latency counts from when a request should have been sent. The clock is the event loop's.
"""
