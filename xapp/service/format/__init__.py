"""What an answer is held to: a JSON schema, a grammar, a set of choices. Checked, made a grammar, validated.

Everything here runs in one thread beside the event loop: a hostile format may take its tens of
milliseconds, and no more.
"""
