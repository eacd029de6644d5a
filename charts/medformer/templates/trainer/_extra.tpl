{{/* Trainer control reads the jobs' template and speaks with the Kubernetes API. */}}
{{- define "medformer.trainerExtra" -}}
{{- if .root.Values.trainer.jobs.enabled }}
serviceAccountToken: true
env:
  - {name: MEDFORMER_TRAINER_BACKEND, value: kubernetes}
  - {name: MEDFORMER_TRAINER_JOB_TEMPLATE, value: /etc/medformer/trainer-job/job.yaml}
  - name: MEDFORMER_NAMESPACE
    valueFrom:
      fieldRef: {fieldPath: metadata.namespace}
volumeMounts:
  - {name: trainer-job, mountPath: /etc/medformer/trainer-job, readOnly: true}
volumes:
  - name: trainer-job
    configMap: {name: {{ include "library.name" (dict "root" .root "name" "trainer-job") }}}
{{- end }}
{{- end }}
