"""`bench speculation`: what drafts gain on each kind of text, what they cost, and where answers part."""
