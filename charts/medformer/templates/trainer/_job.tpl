{{/* The skeleton of a training job: everything but the run. */}}
{{- define "medformer.trainingJob" -}}
{{- $job := .values -}}
apiVersion: batch/v1
kind: Job
metadata:
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "library.labels" . | nindent 4 }}
    {{- with $job.queue }}
    kueue.x-k8s.io/queue-name: {{ . }}
    {{- end }}
    {{- with $job.workloadPriorityClass }}
    kueue.x-k8s.io/priority-class: {{ . }}
    {{- end }}
spec:
  completionMode: Indexed
  completions: 1
  parallelism: 1
  {{- if $job.queue }}
  suspend: true
  {{- end }}
  backoffLimit: {{ $job.backoffLimit }}
  {{- with $job.activeDeadlineSeconds }}
  activeDeadlineSeconds: {{ . | int64 }}
  {{- end }}
  ttlSecondsAfterFinished: {{ $job.ttlSecondsAfterFinished | int64 }}
  # A pod is replaced only once it is gone, so that two never write one run.
  podReplacementPolicy: Failed
  podFailurePolicy:
    rules:
      - action: FailJob
        onExitCodes: {containerName: train, operator: In, values: {{ toJson $job.exitCodes.failJob }}}
      - action: Ignore
        onExitCodes: {containerName: train, operator: In, values: {{ toJson $job.exitCodes.ignore }}}
      - action: Ignore
        onPodConditions: [{type: DisruptionTarget, status: "True"}]
  template:
    metadata:
      labels:
        {{- include "library.podLabels" . | nindent 8 }}
        {{- with $job.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $job.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "library.pod" . | nindent 6 }}
      subdomain: {{ include "library.name" . }}
      restartPolicy: Never
      terminationGracePeriodSeconds: {{ $job.terminationGracePeriodSeconds }}
      containers:
        - name: train
          {{- include "library.image" . | nindent 10 }}
          command: {{ toJson $job.command }}
          {{- include "library.containerSecurity" . | nindent 10 }}
          env:
            - {name: MEDFORMER_DATA, value: /var/lib/medformer}
            - {name: MEDFORMER_STORE, value: {{ include "library.objectStoreUrl" .root | quote }}}
            - {name: MEDFORMER_LOG_LEVEL, value: {{ .values.settings.logLevel }}}
            - {name: MEDFORMER_HOST, value: {{ .values.settings.host | quote }}}
            - {name: MEDFORMER_METRICS_PORT, value: {{ .values.ports.metrics | quote }}}
            - {name: MEDFORMER_COLLECTIVE_PORT, value: {{ $job.collectivePort | quote }}}
            {{- if .values.threadsFromCpu }}
            - name: MEDFORMER_TRAINER_THREADS
              valueFrom:
                resourceFieldRef: {containerName: train, resource: requests.cpu, divisor: "1"}
            {{- end }}
            {{- include "library.objectStoreEnv" . | trim | nindent 12 }}
            {{- with $job.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: collective, containerPort: {{ $job.collectivePort }}}
            - {name: metrics, containerPort: {{ .values.ports.metrics }}}
          {{- include "library.resources" . | nindent 10 }}
          volumeMounts:
            {{- include "library.scratchMounts" . | nindent 12 }}
            - {name: shared-memory, mountPath: /dev/shm}
            {{- include "library.objectStoreMounts" . | indent 12 }}
      volumes:
        {{- include "library.scratchVolumes" . | nindent 8 }}
        - name: shared-memory
          emptyDir: {medium: Memory, sizeLimit: {{ $job.sharedMemory }}}
        {{- include "library.objectStoreVolumes" . | indent 8 }}
{{- end }}

{{/* One a job: of all training pods, its own reach each other's collective port and no other's, also while the release is uninstalled. */}}
{{- define "medformer.trainingJobPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "library.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: &job
      {{- include "library.selectorLabels" . | nindent 6 }}
      batch.kubernetes.io/job-name: ""
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {matchLabels: *job}}]
      ports: [{port: collective}]
  egress:
    - to: [{podSelector: {matchLabels: *job}}]
      ports: [{port: collective}]
{{- end }}
