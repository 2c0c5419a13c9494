"""`bench quant`: one model in several formats, from the measurements of `models optimize`."""
