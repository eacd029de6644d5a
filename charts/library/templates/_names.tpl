{{/*
Every template of this library takes a component: a dict of `root` (the chart's context), `name` (e.g. encoder) and
`values` (what library.component merged). Those that say so take the chart's context instead.
*/}}

{{/*
Makes a component out of (dict "root" $ "name" "encoder"), or with "own" where its values stand elsewhere: what its own
values leave out is what `defaults` says.
*/}}
{{- define "library.merge" -}}
{{- $own := deepCopy (hasKey . "own" | ternary .own (get .root.Values .name)) }}
{{- $_ := set . "values" (mergeOverwrite (deepCopy .root.Values.defaults) $own) }}
{{- end }}

{{/* Takes the chart's context. What the names of all objects of the release begin with. */}}
{{- define "library.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "library.name" -}}
{{ include "library.fullname" .root }}-{{ .name }}
{{- end }}

{{/* What selects the component's pods: never changes between versions, for selectors are immutable. */}}
{{- define "library.selectorLabels" -}}
app.kubernetes.io/name: medformer
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "library.labels" -}}
{{ include "library.selectorLabels" . }}
app.kubernetes.io/part-of: medformer
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Without the chart's version: what is the same in a new chart keeps running. */}}
{{- define "library.podLabels" -}}
{{ include "library.selectorLabels" . }}
app.kubernetes.io/part-of: medformer
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "library.metadata" -}}
metadata:
  name: {{ include "library.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "library.labels" . | nindent 4 }}
{{- end }}
