#!/bin/sh
# Makes the Go stubs in inference/v1 and retrieval/v1 anew from proto/. Needs Go and Python's grpcio-tools
# (make lint's environment has it); the plug-ins come from the Go module proxy.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-../../.venv/bin/python}"
plugins="$(mktemp -d)"
trap 'rm -rf "$plugins"' EXIT
GOBIN="$plugins" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
GOBIN="$plugins" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
"$python" -m grpc_tools.protoc -I ../../proto \
  --plugin="protoc-gen-go=$plugins/protoc-gen-go" \
  --plugin="protoc-gen-go-grpc=$plugins/protoc-gen-go-grpc" \
  --go_out=. --go_opt=module=genai-xapp.internal/clients/go \
  --go-grpc_out=. --go-grpc_opt=module=genai-xapp.internal/clients/go \
  xapp/inference/v1/inference.proto xapp/inference/v1/models.proto \
  xapp/inference/v1/verification.proto xapp/inference/v1/embedding.proto \
  xapp/retrieval/v1/retrieval.proto
