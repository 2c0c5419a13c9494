"""The benchmark of promises: deadlines, priorities, refusals against their bars.

request_mix         what callers ask: lengths, deadlines, prompts; drawn with a seed
loop_callers        callers in a process of their own: closed and open loops on any Target
contract_caller     a caller of what only our contract has: Score, Estimate
promise_lineup      the servers of one row and their callers
overload_goodput, critical_ttft, refusal_time, estimate_error, pinned_task_ttft, score_against_json,
typed_answer_cost   one part each
promise_bars        from samples to rows            measure_promises    all parts in rounds
"""
