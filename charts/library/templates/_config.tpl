{{/* The service's configuration file. It refuses keys it does not know, so a misspelt setting never goes unnoticed. */}}
{{- define "library.config" -}}
apiVersion: v1
kind: ConfigMap
{{ include "library.metadata" . }}
data:
  config.yaml: |
    {{- include "library.settings" . | nindent 4 }}
{{- end }}

{{/* What the values say, then what the chart alone knows. */}}
{{- define "library.settings" -}}
{{- $settings := deepCopy .values.settings }}
{{- $_ := set $settings "data" "/var/lib/medformer" }}
{{- $_ := set $settings "store" (include "library.objectStoreUrl" .root) }}
{{- $_ := set $settings "port" .values.ports.grpc }}
{{- $_ := set $settings "metricsPort" .values.ports.metrics }}
{{- if eq .root.Values.tls.source "none" }}
{{- $_ := set $settings "allowInsecure" true }}
{{- else }}
{{- $_ := set $settings "tlsCertFile" "/etc/medformer/tls/tls.crt" }}
{{- $_ := set $settings "tlsKeyFile" "/etc/medformer/tls/tls.key" }}
{{- if .root.Values.tls.clientCertificates }}
{{- $_ := set $settings "tlsClientCaFile" "/etc/medformer/tls/ca.crt" }}
{{- end }}
{{- end }}
{{- if .root.Values.auth.tokensSecret }}
{{- $_ := set $settings "authTokensFile" "/etc/medformer/auth/tokens.yaml" }}
{{- end }}
{{- with .root.Values.auth.jwt }}
{{- if or .jwksUrl .jwksConfigMap }}
{{- if .jwksConfigMap }}
{{- $_ := set $settings "authJwksFile" "/etc/medformer/jwks/jwks.json" }}
{{- else }}
{{- $_ := set $settings "authJwksUrl" .jwksUrl }}
{{- end }}
{{- $_ := set $settings "authIssuer" (required "auth.jwt.issuer is needed beside the keys of JSON Web Tokens" .issuer) }}
{{- $_ := set $settings "authAudience" (required "auth.jwt.audience is needed beside the keys of JSON Web Tokens" .audience) }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
