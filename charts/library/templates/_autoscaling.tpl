{{- define "library.autoscaling" -}}
{{- if and .values.autoscaling.enabled .values.keda.enabled }}
{{- fail (printf "%s: autoscaling and keda would both set the number of pods: enable one" .name) }}
{{- end }}
{{- if .values.autoscaling.enabled -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{{ include "library.metadata" . }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "library.name" . }}}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    {{- with .values.autoscaling.cpuPercent }}
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ . }}}
    {{- end }}
    {{- with .values.autoscaling.podMetric }}
    {{- if .name }}
    - type: Pods
      pods:
        metric: {name: {{ .name }}}
        target: {type: AverageValue, averageValue: {{ .averageValue | quote }}}
    {{- end }}
    {{- end }}
  behavior:
    scaleDown: {stabilizationWindowSeconds: {{ .values.autoscaling.scaleDownSeconds }}}
{{- else if .values.keda.enabled -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
{{ include "library.metadata" . }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "library.name" . }}}
  minReplicaCount: {{ .values.keda.minReplicas }}
  maxReplicaCount: {{ .values.keda.maxReplicas }}
  cooldownPeriod: {{ .values.keda.cooldownSeconds }}
  triggers:
    - type: prometheus
      metadata:
        serverAddress: {{ required (printf "%s.keda.prometheus is needed: the address of Prometheus" .name) .values.keda.prometheus }}
        query: {{ tpl .values.keda.query .root | quote }}
        threshold: {{ .values.keda.threshold | quote }}
{{- end }}
{{- end }}
