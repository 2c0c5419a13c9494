"""Audio: containers, encodings and sample rates."""
