"""`bench compare`: the same load on our endpoint and on peers, in turns, as ratios of paired rounds."""
