"""How long an answer will be: predictions, by rank and by error, and what an order by them is worth."""
