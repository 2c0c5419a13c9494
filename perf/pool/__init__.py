"""Several nodes behind one target: what a pool of them is worth, and how it does with a slow and a dead node.

Each node is a real server with the fake backend, whose steps sleep: a node has as much speed as is written
down, whatever the machine, and many fit on a few cores.
"""
