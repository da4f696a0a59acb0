{{- define "schemagate.labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.release | quote }}
{{- end }}

{{/* What a pod's spec begins with. */}}
{{- define "schemagate.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.user }}
  runAsGroup: {{ .Values.user }}
  fsGroup: {{ .Values.user }}
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "schemagate.restricted" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* schemagate's settings; .key is the secret's folder: migrate or app. */}}
{{- define "schemagate.env" -}}
{{- $v := .root.Values -}}
- name: SCHEMAGATE_REPLICA
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: SCHEMAGATE_RELEASE
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['app.kubernetes.io/version']
- name: SCHEMAGATE_DATABASE_URL_FILE
  value: /run/secrets/{{ .key }}/url
- name: SCHEMAGATE_TIMEOUT
  value: {{ $v.timeoutMinutes }}m
{{- if $v.recreate }}
- name: SCHEMAGATE_INIT_REPLICAS
  value: stopped
{{- end }}
{{- range $name, $value := $v.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "schemagate.mount" -}}
- name: {{ . }}-url
  mountPath: /run/secrets/{{ . }}
  readOnly: true
{{- end }}

{{- define "schemagate.volume" -}}
- name: {{ .what }}-url
  secret:
    secretName: {{ .root.Values.secret.name }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: url
{{- end }}

{{/* The probes of a schemagate that stays: startup outlasts SCHEMAGATE_TIMEOUT. */}}
{{- define "schemagate.probes" -}}
startupProbe:
  exec:
    command: [{{ .Values.schemagate }}, health, startup]
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ add (mul .Values.timeoutMinutes 30) 60 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: schemagate
  periodSeconds: 2
livenessProbe:
  httpGet:
    path: /livez
    port: schemagate
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
