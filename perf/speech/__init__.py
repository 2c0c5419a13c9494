"""Speech: word errors of a round trip, speed, and the time to the first audio of an answer."""
