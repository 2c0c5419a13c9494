"""The edge paper's experiment: dialogues played turn by turn with growing context, model after model."""
