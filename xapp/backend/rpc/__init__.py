"""A model over several machines: llama.cpp's RPC. A helper computes some layers for the node that serves."""
