"""Whatever computes: llama.cpp, or a fake that tests script. The only importer of llama_cpp.

`base` is the seam. A backend knows tokens and sequence ids, neither requests nor text; `vocab`
alone turns text to tokens, for the server process.
"""
