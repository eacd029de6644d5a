{{/* What the pods of services and of training jobs have in common, down to where they may run. */}}
{{- define "library.pod" -}}
serviceAccountName: {{ include "library.serviceAccountName" . }}
automountServiceAccountToken: {{ (include "library.extra" . | fromYaml).serviceAccountToken | default false }}
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "library.podSecurity" . | nindent 0 }}
{{- include "library.placement" . }}
{{- end }}

{{- define "library.placement" -}}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .values.gpu.count }}
{{- with .values.gpu.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end }}
{{- $gpu := ternary .values.gpu dict (gt (int .values.gpu.count) 0) }}
{{- with mergeOverwrite (dict) .values.nodeSelector ($gpu.nodeSelector | default dict) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat .values.tolerations ($gpu.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and $gpu.products .values.affinity.nodeAffinity }}
{{- fail (printf "%s: set either gpu.products or affinity.nodeAffinity, not both" .name) }}
{{- end }}
{{- $affinity := deepCopy .values.affinity }}
{{- with $gpu.products }}
{{- $product := dict "key" "nvidia.com/gpu.product" "operator" "In" "values" . }}
{{- $term := dict "nodeSelectorTerms" (list (dict "matchExpressions" (list $product))) }}
{{- $_ := set $affinity "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" $term) }}
{{- end }}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.spreadOver }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "library.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
