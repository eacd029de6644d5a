{{/* The component's own image where it has one, else the release's; a digest beats the tag. */}}
{{- define "library.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) (.values.image | default dict) -}}
image: {{ printf "%s%s" (ternary "" (printf "%s/" $image.registry) (empty $image.registry)) $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end }}

{{/* Health is HTTP on the metrics port: it needs neither certificate nor token. */}}
{{- define "library.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: {{ .values.probes.startupFailures }}
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: {{ .values.probes.periodSeconds }}
  timeoutSeconds: {{ .values.probes.timeoutSeconds }}
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: {{ .values.probes.periodSeconds }}
  timeoutSeconds: {{ .values.probes.timeoutSeconds }}
  failureThreshold: {{ .values.probes.livenessFailures }}
{{- end }}

{{- define "library.resources" -}}
{{- $resources := deepCopy .values.resources -}}
{{- if .values.gpu.count }}
{{- $limits := $resources.limits | default dict }}
{{- $_ := set $limits .values.gpu.resource (toString .values.gpu.count) }}
{{- $_ := set $resources "limits" $limits }}
{{- end }}
{{- with $resources -}}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "library.env" -}}
{{- $settings := include "library.settings" . | fromYaml }}
{{- if and .values.threadsFromCpu (not (hasKey $settings (printf "%sThreads" .name))) }}
- name: MEDFORMER_{{ upper .name }}_THREADS
  valueFrom:
    resourceFieldRef: {resource: requests.cpu, divisor: "1"}
{{- end }}
{{ include "library.objectStoreEnv" . | trim }}
{{- with .values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The root file system is read-only: what a process writes goes into these two. */}}
{{- define "library.scratchMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/medformer}
{{- end }}

{{- define "library.scratchVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .values.storage.tmp }}}
- name: data
  {{- if .values.storage.existingClaim }}
  persistentVolumeClaim: {claimName: {{ .values.storage.existingClaim }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .values.storage.data }}}
  {{- end }}
{{- end }}

{{- define "library.volumeMounts" -}}
{{ include "library.scratchMounts" . }}
{{- if ne .root.Values.tls.source "none" }}
- {name: tls, mountPath: /etc/medformer/tls, readOnly: true}
{{- end }}
{{- if .root.Values.auth.tokensSecret }}
- {name: tokens, mountPath: /etc/medformer/auth, readOnly: true}
{{- end }}
{{- if .root.Values.auth.jwt.jwksConfigMap }}
- {name: jwks, mountPath: /etc/medformer/jwks, readOnly: true}
{{- end }}
{{- include "library.objectStoreMounts" . }}
{{- end }}

{{- define "library.volumes" -}}
{{ include "library.scratchVolumes" . }}
{{- if ne .root.Values.tls.source "none" }}
- name: tls
  secret: {secretName: {{ include "library.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
{{- with .root.Values.auth.tokensSecret }}
- name: tokens
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .root.Values.auth.jwt.jwksConfigMap }}
- name: jwks
  configMap: {name: {{ . }}}
{{- end }}
{{- include "library.objectStoreVolumes" . }}
{{- end }}
