"""The server's side of child processes: starts, feeds, watches and ends them."""
