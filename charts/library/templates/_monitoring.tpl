{{- define "library.serviceMonitor" -}}
{{- if .root.Values.monitoring.serviceMonitor.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
{{ include "library.metadata" . }}
    {{- with .root.Values.monitoring.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  jobLabel: app.kubernetes.io/component
  selector:
    matchLabels:
      {{- include "library.selectorLabels" . | nindent 6 }}
      medformer.io/scrape: "true"
  endpoints:
    - port: metrics
      interval: {{ .root.Values.monitoring.interval }}
{{- end }}
{{- end }}
