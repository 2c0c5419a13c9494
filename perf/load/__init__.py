"""`genai-xapp bench load`: a target under closed and open load, and the highest rate that keeps the limits.

    samples       what a run leaves in its file, and the figures' names
    arrivals      when requests come              lengths, classes   how long and how urgent they are
    prompts       texts of exact length           workload           what is asked: drawn, or from a trace
    flight        one request                     loops              many: closed and open
    meter         what the client itself costs    step, plans        a step of load, and the list of them
    find          searches the highest rate       run                all of it, with its journal
    limits, figures, result, table                from samples to what is read

Latency counts from when a request should have been sent. The clock is the event loop's.
"""
