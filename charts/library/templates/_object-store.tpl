{{/* These take the chart's context: there is one object store a release. */}}

{{- define "library.objectStoreUrl" -}}
{{- if .Values.minio.enabled -}}
s3://{{ .Values.minio.bucket }}?endpoint=http://{{ include "library.fullname" . }}-minio:9000
{{- else -}}
{{ required "objectStore.url is needed, e.g. s3://bucket?endpoint=https://s3.example.com; or minio.enabled for a trial" .Values.objectStore.url }}
{{- end }}
{{- end }}

{{- define "library.objectStoreSecret" -}}
{{- if .Values.minio.enabled -}}
{{ .Values.minio.existingSecret | default (printf "%s-minio" (include "library.fullname" .)) }}
{{- else -}}
{{ required "objectStore.existingSecret is needed: a Secret with the keys accessKey and secretKey" .Values.objectStore.existingSecret }}
{{- end }}
{{- end }}

{{- define "library.objectStoreEnv" -}}
{{- range $variable, $key := dict "MEDFORMER_STORE_ACCESS_KEY" "accessKey" "MEDFORMER_STORE_SECRET_KEY" "secretKey" }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "library.objectStoreSecret" $ }}, key: {{ $key }}}
{{- end }}
{{- if .Values.objectStore.caSecret }}
- {name: NODE_EXTRA_CA_CERTS, value: /etc/medformer/object-store/ca.crt}
{{- end }}
{{- end }}

{{- define "library.objectStoreMounts" -}}
{{- if .Values.objectStore.caSecret }}
- {name: object-store-ca, mountPath: /etc/medformer/object-store, readOnly: true}
{{- end }}
{{- end }}

{{- define "library.objectStoreVolumes" -}}
{{- with .Values.objectStore.caSecret }}
- name: object-store-ca
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
