{{/* Secret of the certificate that the release's own caller, the test pod, shows. */}}
{{- define "medformer.clientSecret" -}}
{{- if eq .Values.tls.source "secret" -}}
{{ .Values.tls.clientSecret }}
{{- else -}}
{{ include "library.fullname" . }}-client-tls
{{- end }}
{{- end }}
