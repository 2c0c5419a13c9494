"""What a run costs the node: CPU, memory, temperature, throttling, energy.

A meter that is not there leaves its readings None and says why; nothing is ever estimated.
"""
