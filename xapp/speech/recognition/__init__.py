"""Recognition: audio to text, utterance by utterance."""
