{{/*
Trainer control reads the jobs' template and speaks with the Kubernetes API; it keeps nothing, so several may run. A trainer
that trains in its own pod is alone: another one would take its runs over.
*/}}
{{- define "medformer.trainerExtra" -}}
{{- if not .root.Values.trainer.jobs.enabled }}
{{- if gt (int .values.replicas) 1 }}{{ fail "trainer.replicas: more than 1 needs trainer.jobs.enabled, for each would train in its own pod" }}{{ end }}
strategy: Recreate
{{- else }}
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
