"""`python -m perf.peers`: does nothing for what is there already."""

from perf.peers import llama_server, python_server

if __name__ == "__main__":
    llama_server.ensure()
    python_server.ensure()
