"""Synthesis: text to audio, sentence by sentence."""
