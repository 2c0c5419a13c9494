{{/* The xApp descriptor, as the RIC's onboarder and application manager read it. */}}
{{- define "genai-xapp.descriptor" -}}
{{- $name := include "genai-xapp.name" . -}}
name: {{ $name }}
version: {{ .Chart.AppVersion }}
containers:
  - name: {{ $name }}
    image:
      {{- /* The onboarder takes no host without a dot. */}}
      registry: {{ regexReplaceAll "^localhost(:|$)" .Values.image.registry "127.0.0.1$1" | quote }}
      name: {{ .Values.image.name | quote }}
      tag: {{ include "genai-xapp.tag" . | quote }}
messaging:
  ports:
    - {name: http, container: {{ $name }}, port: 8080, description: "health, metrics and configuration over HTTP"}
    - {name: grpc, container: {{ $name }}, port: 50051, description: "xapp.inference.v1 over gRPC"}
    {{- if .Values.ric.rmrEndpoint }}
    - name: rmrdata
      container: {{ $name }}
      port: 4560
      description: RMR, by a sidecar
      rxMessages: [A1_POLICY_REQ]
      txMessages: [A1_POLICY_RESP, A1_POLICY_QUERY]
      policies: [{{ int .Values.ric.policyType }}]
    - {name: rmrroute, container: {{ $name }}, port: 4561, description: "routes of RMR, by a sidecar"}
    {{- end }}
{{- $scheme := ternary ", scheme: HTTPS" "" (eq (include "genai-xapp.scheme" .) "HTTPS") }}
readinessProbe:
  httpGet: {path: /ric/v1/health/ready, port: 8080{{ $scheme }}}
  initialDelaySeconds: 5
  periodSeconds: 15
livenessProbe:
  httpGet: {path: /ric/v1/health/alive, port: 8080{{ $scheme }}}
  initialDelaySeconds: 5
  periodSeconds: 15
metrics: {url: /ric/v1/metrics, namespace: ricxapp}
{{- with .Values.settings }}
controls: {{ toJson . }}
{{- end }}
{{- end }}
