{{/* One pod at a time: a single replica never blocks the drain of its node. */}}
{{- define "library.disruptionBudget" -}}
{{- if .values.disruptionBudget -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
{{ include "library.metadata" . }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "library.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
