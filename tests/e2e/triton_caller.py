"""Triton's own client against a node: run in an environment of its own, with another protobuf.

python triton_caller.py TARGET MODEL EMBEDDER TEXT...
"""

import json
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton

target, model, embedder, *texts = sys.argv[1:]
client: Any = triton.InferenceServerClient(target)
assert client.is_server_live()
assert client.is_server_ready()
assert client.is_model_ready(model)
print("tensors", client.get_model_metadata(model).outputs[0].name)

text = triton.InferInput("text_input", [1], "BYTES")
text.set_data_from_numpy(np.array([b"What is O-RAN?"], dtype=object))
result = client.infer(model, [text], parameters={"chat": True, "max_tokens": 8})
whole = result.as_numpy("text_output")[0].decode()

seen: "queue.Queue[Any]" = queue.Queue()
client.start_stream(callback=lambda result, error: seen.put((result, error)))
client.async_stream_infer(model, [text], parameters={"chat": True, "max_tokens": 8})
pieces = []
while True:
    response, error = seen.get(timeout=60)
    assert error is None, error
    if response.get_response().parameters["triton_final_response"].bool_param:
        break
    pieces.append(response.as_numpy("text_output")[0].decode())
client.stop_stream()
assert "".join(pieces) == whole, (pieces, whole)
print("answered", len(pieces) > 1)

given = triton.InferInput("text_input", [len(texts)], "BYTES")
given.set_data_from_numpy(np.array([each.encode() for each in texts], dtype=object))
wanted = [triton.InferRequestedOutput(client.get_model_metadata(embedder).outputs[0].name)]
answer = client.infer(embedder, [given], outputs=wanted, parameters={"role": "passage"})
print(json.dumps(answer.as_numpy("embedding").tolist()))
