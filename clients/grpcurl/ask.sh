#!/bin/sh
# Asks a node with grpcurl; the server's reflection tells the protocol, no .proto file is needed.
#   ask.sh [TARGET] [QUESTION]
set -eu
target="${1:-127.0.0.1:50051}"
question="${2:-What is O-RAN?}"
grpcurl="${GRPCURL:-grpcurl}"

echo "# services"
"$grpcurl" -plaintext "$target" list
echo "# health"
"$grpcurl" -plaintext "$target" grpc.health.v1.Health/Check
echo "# models"
"$grpcurl" -plaintext "$target" xapp.inference.v1.ModelService/ListModels
echo "# an answer, at most 16 tokens, within 30 s"
escaped=$(printf '%s' "$question" | sed 's/\\/\\\\/g; s/"/\\"/g')
"$grpcurl" -plaintext -max-time 30 -d @ "$target" xapp.inference.v1.InferenceService/Generate <<JSON
{"chat": {"messages": [{"role": "user", "content": "$escaped"}]}, "max_tokens": 16}
JSON
echo "# one sample of metrics"
"$grpcurl" -plaintext -d '{"count": 1}' "$target" xapp.inference.v1.InferenceService/Metrics
