{{/* All objects of a stage that serves gRPC, out of (dict "root" $ "name" "encoder"); see library.extra for "extra". */}}
{{- define "library.stage" -}}
{{- include "library.merge" . }}
{{- if .values.enabled }}
{{- range list
      "library.deployment"
      "library.config"
      "library.services"
      "library.serviceAccount"
      "library.disruptionBudget"
      "library.autoscaling"
      "library.certificate"
      "library.serviceMonitor" }}
{{- with include . $ | trim }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
