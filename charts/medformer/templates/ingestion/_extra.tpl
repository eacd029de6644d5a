{{- define "medformer.pseudonymKeySecret" -}}
{{ .Values.ingestion.pseudonymKeySecret | default (printf "%s-pseudonym-key" (include "library.fullname" .)) }}
{{- end }}

{{- define "medformer.ingestionExtra" -}}
env:
  - name: MEDFORMER_PSEUDONYM_KEY
    valueFrom:
      secretKeyRef: {name: {{ include "medformer.pseudonymKeySecret" .root }}, key: pseudonymKey}
{{- end }}
