{{- define "library.serviceAccountName" -}}
{{ .values.serviceAccount.existing | default (include "library.name" .) }}
{{- end }}

{{- define "library.serviceAccount" -}}
{{- if not .values.serviceAccount.existing -}}
apiVersion: v1
kind: ServiceAccount
{{ include "library.metadata" . }}
  {{- with .values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}
