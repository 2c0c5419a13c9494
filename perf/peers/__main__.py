"""`python -m perf.peers`: does nothing for what is there already."""

from perf.peers import build_llama_server, build_python_server

if __name__ == "__main__":
    build_llama_server.ensure()
    build_python_server.ensure()
