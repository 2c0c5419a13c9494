{{/* The xApp descriptor, as the RIC's onboarder and application manager read it. */}}
{{- define "genai-xapp.descriptor" -}}
{{- $name := include "genai-xapp.name" . -}}
name: {{ $name }}
version: {{ .Chart.AppVersion }}
containers:
  - name: {{ $name }}
    image:
      registry: {{ .Values.image.registry | quote }}
      name: {{ .Values.image.name | quote }}
      tag: {{ include "genai-xapp.tag" . | quote }}
messaging:
  ports:
    - {name: http, container: {{ $name }}, port: 8080, description: "health, metrics and configuration over HTTP"}
    - {name: grpc, container: {{ $name }}, port: 50051, description: "xapp.inference.v1 over gRPC"}
readinessProbe:
  httpGet: {path: /ric/v1/health/ready, port: 8080}
  initialDelaySeconds: 5
  periodSeconds: 15
livenessProbe:
  httpGet: {path: /ric/v1/health/alive, port: 8080}
  initialDelaySeconds: 5
  periodSeconds: 15
metrics: {url: /ric/v1/metrics, namespace: ricxapp}
{{- end }}
