{{- define "library.deployment" -}}
{{- $extra := include "library.extra" . | fromYaml -}}
{{- $strategy := .values.strategy | default $extra.strategy | default "RollingUpdate" -}}
apiVersion: apps/v1
kind: Deployment
{{ include "library.metadata" . }}
spec:
  {{- if not (or .values.autoscaling.enabled .values.keda.enabled) }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: {{ $strategy }}
    {{- if eq $strategy "RollingUpdate" }}
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- end }}
  selector:
    matchLabels:
      {{- include "library.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "library.podLabels" . | nindent 8 }}
        {{- with .values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include "library.config" . | sha256sum }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "library.pod" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ include "library.gracePeriod" . }}
      containers:
        - name: {{ .name }}
          {{- include "library.image" . | nindent 10 }}
          command: [node, services/{{ .name }}/dist/main.js]
          {{- include "library.containerSecurity" . | nindent 10 }}
          env:
            - {name: MEDFORMER_CONFIG, value: /etc/medformer/config.yaml}
            {{- include "library.env" . | trim | nindent 12 }}
            {{- with $extra.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: grpc, containerPort: {{ .values.ports.grpc }}}
            - {name: metrics, containerPort: {{ .values.ports.metrics }}}
          {{- include "library.probes" . | nindent 10 }}
          {{- with .values.stopDelaySeconds }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ . }}}
          {{- end }}
          {{- include "library.resources" . | nindent 10 }}
          volumeMounts:
            - {name: config, mountPath: /etc/medformer/config.yaml, subPath: config.yaml, readOnly: true}
            {{- include "library.volumeMounts" . | nindent 12 }}
            {{- with $extra.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap: {name: {{ include "library.name" . }}}
        {{- include "library.volumes" . | nindent 8 }}
        {{- with $extra.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* What this component alone adds to its pod: the template that `extra` names gives env, volumes, volumeMounts and the strategy where the values name none. */}}
{{- define "library.extra" -}}
{{- with .extra }}{{ include . $ }}{{ end }}
{{- end }}

{{/* Longer than the delay and the drain, so that the kubelet never cuts off a call that the service still finishes. */}}
{{- define "library.gracePeriod" -}}
{{- $drainMs := (include "library.settings" . | fromYaml).drainTimeoutMs }}
{{- add .values.stopDelaySeconds (ceil (divf $drainMs 1000)) .values.afterDrainSeconds }}
{{- end }}
