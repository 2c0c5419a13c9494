"""The HTTP port with OpenAI's dialect: it converts between the dialect and domain types, nothing else."""
