"""What a run costs the node: CPU, memory, temperature, throttling, energy. What no meter tells is not measured."""
