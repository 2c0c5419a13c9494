"""Grammars of answers: parsed, checked, compiled, and matched character by character.

The dialect is llama.cpp's GBNF, the matcher is the project's own: llama.cpp's parser is recursive and its
matcher expands without bound, so that a hostile grammar ends the process. Here every step has a budget. The
package is pure Python without a model. It knows bytes and characters, not tokens.
"""
