{{/*
Two services a stage. gRPC keeps one connection, so a client of the plain one stays with one pod; the headless one
answers with every pod's address, which clients with the round_robin policy spread their calls over.
*/}}
{{- define "library.services" -}}
apiVersion: v1
kind: Service
{{ include "library.metadata" . }}
spec:
  type: ClusterIP
  selector:
    {{- include "library.selectorLabels" . | nindent 4 }}
  ports:
    - {name: grpc, port: {{ .values.ports.grpc }}, targetPort: grpc, appProtocol: kubernetes.io/h2c}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "library.name" . }}-headless
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "library.labels" . | nindent 4 }}
    medformer.io/scrape: "true"
spec:
  type: ClusterIP
  clusterIP: None
  selector:
    {{- include "library.selectorLabels" . | nindent 4 }}
  ports:
    - {name: grpc, port: {{ .values.ports.grpc }}, targetPort: grpc}
    - {name: metrics, port: {{ .values.ports.metrics }}, targetPort: metrics}
{{- end }}
