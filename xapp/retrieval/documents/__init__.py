"""From the bytes of a document to its passages. It runs in a process with limits (`parser_process`)."""
