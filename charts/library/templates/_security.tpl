{{/* Both contexts are what the Pod Security Standard `restricted` asks for; only the ids are values. */}}
{{- define "library.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
  {{- with .root.Values.podIds.user }}
  runAsUser: {{ . }}
  {{- end }}
  {{- with .root.Values.podIds.group }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
{{- end }}

{{- define "library.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: {drop: [ALL]}
{{- end }}
