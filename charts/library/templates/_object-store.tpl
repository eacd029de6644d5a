{{/* The chart's context: there is one object store a release. */}}

{{- define "library.objectStoreUrl" -}}
{{- if .Values.minio.enabled -}}
s3://{{ .Values.minio.bucket }}?endpoint=http://{{ include "library.fullname" . }}-minio:9000
{{- else -}}
{{ required "objectStore.url is needed, e.g. s3://bucket?endpoint=https://s3.example.com; or minio.enabled for a trial" .Values.objectStore.url }}
{{- end }}
{{- end }}

{{- define "library.minioSecret" -}}
{{ .Values.minio.existingSecret | default (printf "%s-minio" (include "library.fullname" .)) }}
{{- end }}

{{/* The rest takes a stage's context: each may have an identity of its own. */}}

{{- define "library.objectStoreSecret" -}}
{{- $store := .root.Values.objectStore }}
{{- if .root.Values.minio.enabled -}}
{{ include "library.minioSecret" .root }}
{{- else -}}
{{ get $store.secrets .name | default $store.existingSecret | required "objectStore.existingSecret is needed: a Secret with the keys accessKey and secretKey; or objectStore.webIdentity" }}
{{- end }}
{{- end }}

{{- define "library.objectStoreByToken" -}}
{{- if and .root.Values.objectStore.webIdentity.enabled (not .root.Values.minio.enabled) }}yes{{ end }}
{{- end }}

{{/* Keys and certificates are files, which the services read again when they change; variables would stay as they were. */}}
{{- define "library.objectStoreEnv" -}}
{{- $store := .root.Values.objectStore }}
{{- if include "library.objectStoreByToken" . }}
- {name: MEDFORMER_STORE_WEB_IDENTITY_TOKEN_FILE, value: /etc/medformer/object-store-identity/token}
{{- with get $store.webIdentity.roleArns .name }}
- {name: MEDFORMER_STORE_ROLE_ARN, value: {{ . | quote }}}
{{- end }}
{{- with $store.webIdentity.stsEndpoint }}
- {name: MEDFORMER_STORE_STS_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- else }}
- {name: MEDFORMER_STORE_CREDENTIALS_FOLDER, value: /etc/medformer/object-store-credentials}
{{- end }}
{{- if $store.caSecret }}
- {name: MEDFORMER_STORE_CA_FILE, value: /etc/medformer/object-store/ca.crt}
{{- end }}
{{- if $store.clientSecret }}
- {name: MEDFORMER_STORE_CLIENT_CERT_FILE, value: /etc/medformer/object-store-client/tls.crt}
- {name: MEDFORMER_STORE_CLIENT_KEY_FILE, value: /etc/medformer/object-store-client/tls.key}
{{- end }}
{{- with $store.encryption }}
- {name: MEDFORMER_STORE_ENCRYPTION, value: {{ . | quote }}}
{{- end }}
{{- with $store.kmsKey }}
- {name: MEDFORMER_STORE_KMS_KEY, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{- define "library.objectStoreMounts" -}}
{{- if include "library.objectStoreByToken" . }}
- {name: object-store-identity, mountPath: /etc/medformer/object-store-identity, readOnly: true}
{{- else }}
- {name: object-store-credentials, mountPath: /etc/medformer/object-store-credentials, readOnly: true}
{{- end }}
{{- if .root.Values.objectStore.caSecret }}
- {name: object-store-ca, mountPath: /etc/medformer/object-store, readOnly: true}
{{- end }}
{{- if .root.Values.objectStore.clientSecret }}
- {name: object-store-client, mountPath: /etc/medformer/object-store-client, readOnly: true}
{{- end }}
{{- end }}

{{- define "library.objectStoreVolumes" -}}
{{- $store := .root.Values.objectStore }}
{{- if include "library.objectStoreByToken" . }}
- name: object-store-identity
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ get $store.webIdentity.audiences .name | default $store.webIdentity.audience | quote }}
          expirationSeconds: {{ $store.webIdentity.expirationSeconds }}
{{- else }}
- name: object-store-credentials
  secret: {secretName: {{ include "library.objectStoreSecret" . }}, defaultMode: 0440}
{{- end }}
{{- with $store.caSecret }}
- name: object-store-ca
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $store.clientSecret }}
- name: object-store-client
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
