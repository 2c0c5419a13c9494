{{/* The one pod template, of a DaemonSet and of a Deployment. */}}
{{- define "genai-xapp.pod" -}}
metadata:
  labels:
    {{- include "genai-xapp.labels" . | nindent 4 }}
    kubernetes_name: {{ .Release.Namespace }}_{{ include "genai-xapp.name" . }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    {{- /* Settings are read once at the start: another text makes new pods. Tasks and descriptor are read again. */}}
    checksum/settings: {{ include "genai-xapp.settings" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "genai-xapp.fullname" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add .Values.drain.beforeStopSeconds .Values.drain.seconds 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.models.pull }}
  initContainers:
    {{- /* `pull` fetches to a file beside, checks it and renames it: one that is killed leaves no half model. */}}
    - name: pull
      image: {{ include "genai-xapp.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: {{ concat (list "models" "pull" "--models-dir" "/models") .Values.models.pull | toJson }}
      {{- with .Values.models.hub }}
      env: [{name: HF_ENDPOINT, value: {{ . | quote }}}]
      {{- end }}
      securityContext: {{ include "genai-xapp.securityContext" . | nindent 8 }}
      resources: {{ toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: models, mountPath: /models}
        - {name: home, mountPath: /home/xapp}
        - {name: tmp, mountPath: /tmp}
  {{- end }}
  containers:
    - name: {{ include "genai-xapp.name" . }}
      image: {{ include "genai-xapp.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      env:
        - {name: XAPP_CONFIG_FILE, value: /opt/xapp/settings.toml}
        - {name: XAPP_DESCRIPTOR_PATH, value: /opt/ric/config}
        - {name: XAPP_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        {{- with .Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - {name: grpc, containerPort: 50051}
        - {name: http, containerPort: 8080}
        {{- if .Values.openai.enabled }}
        - {name: openai, containerPort: 8000}
        {{- end }}
      securityContext: {{ include "genai-xapp.securityContext" . | nindent 8 }}
      resources: {{ toYaml .Values.resources | nindent 8 }}
      {{- /* Serving once the default model is loaded. A gRPC probe knows no TLS. */}}
      {{- $scheme := include "genai-xapp.scheme" . }}
      startupProbe:
        {{- if .Values.tls.secret }}
        httpGet: {path: /ric/v1/health/ready, port: http, scheme: {{ $scheme }}}
        {{- else }}
        grpc: {port: 50051}
        {{- end }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (add .Values.startupSeconds 1) 2 }}
      readinessProbe:
        httpGet: {path: /ric/v1/health/ready, port: http, scheme: {{ $scheme }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /ric/v1/health/alive, port: http, scheme: {{ $scheme }}}
        periodSeconds: 5
        timeoutSeconds: 2
        failureThreshold: 6
      {{- with .Values.drain.beforeStopSeconds }}
      lifecycle:
        preStop:
          exec: {command: [python, -c, "import time; time.sleep({{ . }})"]}
      {{- end }}
      volumeMounts:
        - {name: settings, mountPath: /opt/xapp/settings.toml, subPath: settings.toml, readOnly: true}
        - {name: descriptor, mountPath: /opt/ric/config, readOnly: true}
        - {name: home, mountPath: /home/xapp}
        - {name: tmp, mountPath: /tmp}
        {{- if .Values.tasks }}
        - {name: tasks, mountPath: /opt/xapp/tasks, readOnly: true}
        {{- end }}
        {{- if .Values.ric.policies }}
        - {name: policies, mountPath: /opt/xapp/policies, readOnly: true}
        {{- end }}
        {{- if .Values.tls.secret }}
        - {name: tls, mountPath: /opt/xapp/tls, readOnly: true}
        {{- end }}
        {{- if .Values.credentials.tokens }}
        - {name: tokens, mountPath: /opt/xapp/tokens, readOnly: true}
        {{- end }}
        {{- if .Values.credentials.policy }}
        - {name: policy, mountPath: /opt/xapp/policy, readOnly: true}
        {{- end }}
        {{- if ne .Values.models.source "image" }}
        - {name: models, mountPath: /models{{ if not .Values.models.pull }}, readOnly: true{{ end }}}
        {{- end }}
        {{- if ne .Values.collections.source "none" }}
        - {name: collections, mountPath: /collections}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
    {{- with .Values.extraContainers }}{{ toYaml . | nindent 4 }}{{ end }}
  volumes:
    - {name: settings, configMap: {name: {{ include "genai-xapp.configmap" . }}-settings}}
    - {name: descriptor, configMap: {name: {{ include "genai-xapp.configmap" . }}-appconfig}}
    - {name: home, emptyDir: {sizeLimit: 64Mi}}
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- if .Values.tasks }}
    - {name: tasks, configMap: {name: {{ include "genai-xapp.configmap" . }}-tasks}}
    {{- end }}
    {{- if .Values.ric.policies }}
    - {name: policies, configMap: {name: {{ include "genai-xapp.configmap" . }}-policies}}
    {{- end }}
    {{- /* Folders, not single files: a renewed certificate reaches the pod, which reads it again. */}}
    {{- with .Values.tls.secret }}
    - {name: tls, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- with .Values.credentials.tokens }}
    - {name: tokens, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- with .Values.credentials.policy }}
    - {name: policy, configMap: {name: {{ . }}}}
    {{- end }}
    {{- if eq .Values.models.source "hostPath" }}
    - {name: models, hostPath: {path: {{ .Values.models.hostPath | quote }}, type: DirectoryOrCreate}}
    {{- else if eq .Values.models.source "claim" }}
    - {name: models, persistentVolumeClaim: {claimName: {{ include "genai-xapp.claim" . }}}}
    {{- else if eq .Values.models.source "empty" }}
    - {name: models, emptyDir: {}}
    {{- end }}
    {{- /* `Directory`: the kubelet would make a folder of root's, which the server cannot write. */}}
    {{- if eq .Values.collections.source "hostPath" }}
    - {name: collections, hostPath: {path: {{ .Values.collections.hostPath | quote }}, type: Directory}}
    {{- else if eq .Values.collections.source "claim" }}
    - {name: collections, persistentVolumeClaim: {claimName: {{ include "genai-xapp.collections" . }}}}
    {{- else if eq .Values.collections.source "empty" }}
    - {name: collections, emptyDir: {}}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
