{{- define "medformer.pseudonymKeySecret" -}}
{{ .Values.ingestion.pseudonymKeySecret | default (printf "%s-pseudonym-key" (include "library.fullname" .)) }}
{{- end }}

{{- define "medformer.ingestionExtra" -}}
env:
  - name: MEDFORMER_PSEUDONYM_KEY
    valueFrom:
      secretKeyRef: {name: {{ include "medformer.pseudonymKeySecret" .root }}, key: pseudonymKey}
  {{- with .root.Values.ingestion.uploadStore }}
  - {name: MEDFORMER_UPLOAD_STORE, value: {{ . | quote }}}
  {{- end }}
{{- with .root.Values.ingestion.deidentificationConfigMap }}
  - {name: MEDFORMER_DEIDENTIFICATION_FILE, value: /etc/medformer/deidentification/deidentification.yaml}
volumeMounts:
  - {name: deidentification, mountPath: /etc/medformer/deidentification, readOnly: true}
volumes:
  - name: deidentification
    configMap: {name: {{ . }}}
{{- end }}
{{- end }}
