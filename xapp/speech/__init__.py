"""Speech: recognises, synthesises and translates. Each engine runs in a process of its own."""
