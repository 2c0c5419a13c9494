"""The price of a step and the limits of its time: shared by the scheduler and admission."""
