"""Whatever computes. The only importer of llama_cpp."""
