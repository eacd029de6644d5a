{{/* Takes the chart's context. Names of the components that this release runs, as JSON. */}}
{{- define "library.components" -}}
{{- $names := list }}
{{- range list "ingestion" "augmentation" "trainer" "evaluation" "encoder" }}
{{- if (get $.Values .).enabled }}{{ $names = append $names . }}{{ end }}
{{- end }}
{{- if and .Values.trainer.enabled .Values.trainer.jobs.enabled }}{{ $names = append $names "trainer-job" }}{{ end }}
{{- if .Values.minio.enabled }}{{ $names = append $names "object-store" }}{{ end }}
{{- if .Values.tests.enabled }}{{ $names = append $names "test" }}{{ end }}
{{- toJson $names }}
{{- end }}

{{/*
Takes the chart's context. One policy for each end that is ours of each pair in `networkPolicy.allow`: what the callee
lets in, what the caller lets out.
*/}}
{{- define "library.networkPolicies" -}}
{{- $components := include "library.components" . | fromJsonArray }}
{{- $peers := .Values.networkPolicy.peers }}
{{- if not (has "trainer-job" $components) }}{{ $peers = omit $peers "kubernetes-api" }}{{ end }}
{{- $names := concat (list "ingestion" "augmentation" "trainer" "evaluation" "encoder" "trainer-job" "object-store" "test") (keys .Values.networkPolicy.peers) }}
{{- range $caller, $callees := .Values.networkPolicy.allow }}
{{- range $callee, $port := $callees }}
{{- $known := true }}
{{- range $end := list $caller $callee }}
{{- if not (has $end $names) }}
{{- fail (printf "networkPolicy.allow.%s.%s: %s is neither a component nor one of networkPolicy.peers" $caller $callee $end) }}
{{- end }}
{{- if not (or (has $end $components) (hasKey $peers $end)) }}{{ $known = false }}{{ end }}
{{- end }}
{{- if and $known $port }}
{{- $ports := get $.Values.networkPolicy.ports $port | required (printf "networkPolicy.ports has no %s, which networkPolicy.allow.%s.%s names" $port $caller $callee) }}
{{- if has $callee $components }}
---
{{ include "library.networkPolicyHead" (dict "root" $ "name" (printf "%s-from-%s" $callee $caller) "component" $callee) }}
  policyTypes: [Ingress]
  ingress:
    - from:
        {{- include "library.networkPeers" (dict "root" $ "end" $caller "components" $components) | nindent 8 }}
      ports:
        {{- toYaml $ports | nindent 8 }}
{{- end }}
{{- if has $caller $components }}
---
{{ include "library.networkPolicyHead" (dict "root" $ "name" (printf "%s-to-%s" $caller $callee) "component" $caller) }}
  policyTypes: [Egress]
  egress:
    - to:
        {{- include "library.networkPeers" (dict "root" $ "end" $callee "components" $components) | nindent 8 }}
      ports:
        {{- toYaml $ports | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "library.networkPolicyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{{ include "library.metadata" . }}
spec:
  podSelector:
    matchLabels:
      {{- include "library.selectorLabels" (dict "root" .root "name" .component) | nindent 6 }}
{{- end }}

{{/* A component of the release by its labels, or what `networkPolicy.peers` says of the name. */}}
{{- define "library.networkPeers" -}}
{{- if has .end .components -}}
- podSelector:
    matchLabels:
      {{- include "library.selectorLabels" (dict "root" .root "name" .end) | nindent 6 }}
{{- else -}}
{{ toYaml (get .root.Values.networkPolicy.peers .end) }}
{{- end }}
{{- end }}
