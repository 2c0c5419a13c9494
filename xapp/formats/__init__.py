"""What an answer is held to: JSON schema, grammar or choices, made into what a sampler follows."""
