"""What an answer may look like: grammars read, checked, compiled, and followed character by character.

The dialect is llama.cpp's GBNF, the matcher is our own: llama.cpp's parser recurses over what it reads
and its matcher expands without bound, so that a hostile grammar ends the process. Here every step has
a budget. Pure Python without a model; it knows bytes and characters, not tokens.
"""
