"""Spoken conversations: audio in, text, an answer of the language model, audio out."""
