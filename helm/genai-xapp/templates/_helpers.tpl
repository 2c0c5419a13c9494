{{/* The xApp's name: a DNS label, short enough for the longest name made of it. */}}
{{- define "genai-xapp.name" -}}
{{- $name := default .Release.Name .Values.xappName -}}
{{- $longest := printf "service-%s-%s-grpc-pods" .Release.Namespace $name -}}
{{- if gt (len $longest) 63 -}}
{{- fail (printf "xappName: %q makes the Service's name %q, which is longer than 63 characters" $name $longest) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* NAMESPACE-NAME, as the RIC's own chart calls a workload. */}}
{{- define "genai-xapp.fullname" -}}
{{ .Release.Namespace }}-{{ include "genai-xapp.name" . }}
{{- end }}

{{/* service-NAMESPACE-NAME: each Service adds its port. */}}
{{- define "genai-xapp.service" -}}
service-{{ include "genai-xapp.fullname" . }}
{{- end }}

{{- define "genai-xapp.configmap" -}}
configmap-{{ include "genai-xapp.fullname" . }}
{{- end }}

{{- define "genai-xapp.tag" -}}
{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "genai-xapp.image" -}}
{{ .Values.image.registry }}/{{ .Values.image.name }}:{{ include "genai-xapp.tag" . }}
{{- end }}

{{- define "genai-xapp.claim" -}}
{{ default (printf "%s-models" (include "genai-xapp.fullname" .)) .Values.models.claim.existing }}
{{- end }}

{{- define "genai-xapp.collections" -}}
{{ default (printf "%s-collections" (include "genai-xapp.fullname" .)) .Values.collections.claim.existing }}
{{- end }}

{{/* Not empty where a second pod would find the collections in use: a collection has one writer. */}}
{{- define "genai-xapp.one-writer" -}}
{{- if has .Values.collections.source (list "hostPath" "claim") -}}yes{{- end -}}
{{- end }}

{{/* What selects the pods: never changes in the life of a release. */}}
{{- define "genai-xapp.selector" -}}
app: {{ include "genai-xapp.fullname" . }}
release: {{ .Release.Name }}
{{- end }}

{{/* The StatefulSet of helpers, and what selects its pods: Services of the server do not. */}}
{{- define "genai-xapp.helper" -}}
{{ include "genai-xapp.fullname" . }}-helper
{{- end }}

{{- define "genai-xapp.helperSelector" -}}
app: {{ include "genai-xapp.helper" . }}
release: {{ .Release.Name }}
{{- end }}

{{/* HOST:PORT of each helper, separated by commas. */}}
{{- define "genai-xapp.helperHosts" -}}
{{- $hosts := list -}}
{{- range $number := until (int .Values.rpc.helpers) -}}
{{- $pod := printf "%s-%d" (include "genai-xapp.helper" $) $number -}}
{{- $hosts = append $hosts (printf "%s.%s-rpc.%s.svc:50052" $pod (include "genai-xapp.service" $) $.Release.Namespace) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end }}

{{- define "genai-xapp.labels" -}}
{{ include "genai-xapp.selector" . }}
chart: {{ .Chart.Name }}-{{ .Chart.Version }}
heritage: {{ .Release.Service }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "genai-xapp.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* How HTTP is asked for. */}}
{{- define "genai-xapp.scheme" -}}
{{ if and .Values.tls.secret .Values.tls.http }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* For every container: pod security level `restricted`, and a root file system that nobody writes. */}}
{{- define "genai-xapp.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Not empty where callers need credentials. */}}
{{- define "genai-xapp.credentials" -}}
{{- if or (and .Values.tls.secret .Values.tls.clientCa) .Values.credentials.tokens .Values.settings.jwks (dig "access" "jwks" "" .Values.settings) }}yes{{ end -}}
{{- end }}

{{/* The settings as TOML: what has no table comes first. JSON's scalars are TOML's, and its text as a name is. */}}
{{- define "genai-xapp.settings" -}}
{{- $own := dict "models_dir" "/models" "host" "0.0.0.0" "grpc_port" 50051 "http_port" 8080 -}}
{{- $_ := set $own "grace_period_s" .Values.drain.seconds -}}
{{- with .Values.tls }}{{- if .secret -}}
{{- $_ := set $own "tls_cert" "/opt/xapp/tls/tls.crt" -}}
{{- $_ := set $own "tls_key" "/opt/xapp/tls/tls.key" -}}
{{- $_ := set $own "http_tls" .http -}}
{{- with .clientCa }}{{ $_ := set $own "tls_client_ca" (printf "/opt/xapp/tls/%s" .) }}{{ end -}}
{{- end }}{{ end -}}
{{- if .Values.credentials.tokens }}{{ $_ := set $own "tokens_file" "/opt/xapp/tokens/tokens.toml" }}{{ end -}}
{{- if .Values.credentials.policy }}{{ $_ := set $own "policy_file" "/opt/xapp/policy/policy.toml" }}{{ end -}}
{{- if not (include "genai-xapp.credentials" .) }}{{ $_ := set $own "insecure" true }}{{ end -}}
{{- with .Values.openai }}{{ if .enabled -}}
{{- $_ := set $own "openai_port" 8000 -}}
{{- $_ := set $own "openai_hosts" (concat (include "genai-xapp.openai-hosts" $ | splitList ",") .hosts | join ",") -}}
{{- $_ := set $own "openai_origins" (join "," .origins) -}}
{{- end }}{{ end -}}
{{- if .Values.rpc.helpers }}{{ $_ := set $own "rpc_hosts" (include "genai-xapp.helperHosts" .) }}{{ end -}}
{{- if ne .Values.collections.source "none" }}{{ $_ := set $own "retrieval_folder" "/collections" }}{{ end -}}
{{- if .Values.tasks }}{{ $_ := set $own "tasks_dir" "/opt/xapp/tasks" }}{{ end -}}
{{- with .Values.ric -}}
{{- $_ := set $own "ric_policy_type" (int .policyType) -}}
{{- with .a1 }}{{ $_ := set $own "ric_a1_url" . }}{{ end -}}
{{- with .alarms }}{{ $_ := set $own "ric_alarms_url" . }}{{ end -}}
{{- with .status }}{{ $_ := set $own "ric_status_url" . }}{{ end -}}
{{- with .rmrEndpoint }}{{ $_ := set $own "ric_rmr_endpoint" . }}{{ end -}}
{{- if .policies }}{{ $_ := set $own "ric_policies" "/opt/xapp/policies" }}{{ end -}}
{{- if .appmgr -}}
{{- $_ := set $own "ric_appmgr_url" .appmgr -}}
{{- $_ := set $own "ric_http_endpoint" (printf "%s-http.%s:8080" (include "genai-xapp.service" $) $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- $tables := dict -}}
{{- range $key, $value := merge $own .Values.settings }}
{{- if kindIs "map" $value }}{{ $_ := set $tables $key $value }}{{ else }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $table, $values := omit $tables "models" }}
{{ include "genai-xapp.table" (dict "name" $table "values" $values) }}
{{- end }}
{{- range $model, $values := get $tables "models" | default dict }}
{{ include "genai-xapp.table" (dict "name" (printf "models.%s" (toJson $model)) "values" $values) }}
{{- end }}
{{- end }}

{{/* The names of a Service, as pods of the cluster write them, separated by commas: `service`, `namespace`. */}}
{{- define "genai-xapp.hosts" -}}
{{- $near := printf "%s.%s" .service .namespace -}}
{{- printf "%s,%s,%s.svc,%s.svc.cluster.local" .service $near $near $near -}}
{{- end }}

{{/* The names of the Service for OpenAI's clients. */}}
{{- define "genai-xapp.openai-hosts" -}}
{{- $service := printf "%s-openai" (include "genai-xapp.service" .) -}}
{{- include "genai-xapp.hosts" (dict "service" $service "namespace" .Release.Namespace) -}}
{{- end }}

{{/* A setting, with or without its table: `root`, `table`, `name`, `flat`. */}}
{{- define "genai-xapp.setting" -}}
{{- dig .table .name "" .root.Values.settings | default (get .root.Values.settings .flat) -}}
{{- end }}

{{/*
What the pod asks outside of the RIC platform: URLs and HOST:PORT, separated by spaces. A URL of PostgreSQL may
name several hosts, separated by commas: each is a URL here.
*/}}
{{- define "genai-xapp.outside" -}}
{{- if .Values.models.pull }}{{ default "https://huggingface.co" .Values.models.hub }}{{ end }}
{{- $jwks := include "genai-xapp.setting" (dict "root" . "table" "access" "name" "jwks" "flat" "jwks") -}}
{{- if contains "://" $jwks }} {{ $jwks }}{{ end }}
{{- range $table, $name := dict "upstream" "target" "big" "target" "retrieval" "url" }}
{{- $flat := printf "%s_%s" $table $name }}
{{- "" }} {{ include "genai-xapp.setting" (dict "root" $ "table" $table "name" $name "flat" $flat) | replace "," " postgresql://" }}
{{- end }} {{ .Values.ric.status }}
{{- end }}

{{/* One table of TOML: `name`, `values`. */}}
{{- define "genai-xapp.table" -}}
[{{ .name }}]
{{- range $key, $value := .values }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{/* The port of a URL, or of HOST:PORT. */}}
{{- define "genai-xapp.url-port" -}}
{{- $host := regexReplaceAll "^[a-z]+://" . "" | regexFind "^[^/?#]+" -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- $usual := dict "http" "80" "postgres" "5432" "postgresql" "5432" -}}
{{- default (get $usual (regexFind "^[a-z]+" . | toString) | default "443") $port -}}
{{- end }}
