"""The processes of the engines: the server's end, the engine's end, and programs that run once."""
