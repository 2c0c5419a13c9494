"""Who is measured: a Target answers prompts, and tells what it saw of the answer, on one clock."""
