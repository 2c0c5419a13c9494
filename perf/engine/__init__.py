"""`bench engine`: what the layers around llama_decode cost, and how near decode is to the memory's speed."""
