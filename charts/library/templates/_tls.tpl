{{- define "library.tlsSecret" -}}
{{- if eq .root.Values.tls.source "secret" -}}
{{ required "tls.existingSecret is needed when tls.source is secret" .root.Values.tls.existingSecret }}
{{- else -}}
{{ include "library.name" . }}-tls
{{- end }}
{{- end }}

{{/* Names that clients reach the component by: its service, and every pod behind the headless one. */}}
{{- define "library.dnsNames" -}}
{{- $plain := include "library.name" . }}
{{- $headless := printf "%s-headless" $plain }}
{{- $namespace := .root.Release.Namespace }}
{{- $domain := .root.Values.clusterDomain }}
{{- range $service := list $plain $headless }}
- {{ $service }}
- {{ $service }}.{{ $namespace }}
- {{ $service }}.{{ $namespace }}.svc
- {{ $service }}.{{ $namespace }}.svc.{{ $domain }}
{{- end }}
- localhost
{{- end }}

{{- define "library.certificate" -}}
{{- if eq .root.Values.tls.source "certManager" -}}
apiVersion: cert-manager.io/v1
kind: Certificate
{{ include "library.metadata" . }}
spec:
  secretName: {{ include "library.tlsSecret" . }}
  {{- include "library.issuer" .root | nindent 2 }}
  commonName: {{ include "library.name" . }}
  dnsNames:
    {{- include "library.dnsNames" . | nindent 4 }}
  usages: [digital signature, key encipherment, server auth]
{{- end }}
{{- end }}

{{/* Takes the chart's context. Who signs, for how long, and with which key. */}}
{{- define "library.issuer" -}}
issuerRef:
  {{- if .Values.tls.certManager.issuer }}
  name: {{ .Values.tls.certManager.issuer }}
  kind: {{ .Values.tls.certManager.issuerKind }}
  {{- else }}
  name: {{ include "library.fullname" . }}
  kind: Issuer
  {{- end }}
duration: {{ .Values.tls.certManager.duration }}
renewBefore: {{ .Values.tls.certManager.renewBefore }}
privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
{{- end }}
