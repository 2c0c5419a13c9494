"""Translation: text to text in another language, by the engines of this node."""
