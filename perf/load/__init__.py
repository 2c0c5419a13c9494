"""`genai-xapp bench load`: a target under closed and open load, and the highest rate that keeps the limits.

    load_samples          what a run leaves in its file, and the figures' names
    arrivals              when requests come
    token_lengths, request_classes     how long requests are, and how urgent
    prompt_maker          texts of exact length       request_supply   what is asked: drawn, or from a trace
    requests_in_flight    one request                 open_and_closed_loop   many
    client_meter          what the client itself costs
    load_step, step_plans     a step of load, and the list of them
    highest_rate          searches the highest rate   load_run   all of it, with its journal
    latency_limits, load_figures, load_result, load_table     from samples to what is read

Latency counts from when a request should have been sent. The clock is the event loop's.
"""
