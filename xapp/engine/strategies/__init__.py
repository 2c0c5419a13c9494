"""How sequences advance: what a sequence puts into a step, and what it makes of the outputs."""
