{{/* What all of it is called. */}}
{{- define "gatepass.labels" -}}
app.kubernetes.io/name: gatepass
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "gatepass.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The agent, told what it is called by the field of the pod that `name` is. */}}
{{- define "gatepass.container" -}}
{{- $ := .root -}}
name: gatepass
image: {{ include "gatepass.image" $ }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
args: [--config, /etc/gatepass/config.toml, run, --name, $(OWN_NAME)]
env:
  - name: OWN_NAME
    valueFrom:
      fieldRef:
        fieldPath: {{ .name }}
  # Where the key is: the file `apikey` in there.
  - name: CREDENTIALS_DIRECTORY
    value: /run/secrets/gatepass
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $.Values.user | int }}
  runAsGroup: {{ $.Values.user | int }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
resources:
  {{- toYaml $.Values.resources | nindent 2 }}
# No liveness probe: to kill an agent because its master is away would not bring the master back.
startupProbe:
  exec:
    command: [gatepass, --config, /etc/gatepass/config.toml, status]
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
  exec:
    command: [gatepass, --config, /etc/gatepass/config.toml, status]
  periodSeconds: 30
  timeoutSeconds: 5
volumeMounts:
  - {name: gatepass-config, mountPath: /etc/gatepass, readOnly: true}
  - {name: gatepass-apikey, mountPath: /run/secrets/gatepass, readOnly: true}
  - {name: gatepass-state, mountPath: /var/lib/gatepass}
{{- end }}

{{/* For a pod's initContainers, Kubernetes 1.29 and later: it goes on running, and what follows has an identity. */}}
{{- define "gatepass.sidecar" -}}
{{ include "gatepass.container" (dict "root" . "name" "metadata.name") }}
restartPolicy: Always
{{- end }}

{{- define "gatepass.configured" -}}
- name: gatepass-config
  configMap:
    name: {{ .Release.Name }}-gatepass
- name: gatepass-apikey
  secret:
    secretName: {{ required "apikeySecret names the Secret with the API key" .Values.apikeySecret }}
    # A pod without the key would run and never enrol: rather it does not start.
    optional: false
    defaultMode: 0400
{{- end }}

{{/* For a pod's volumes, with a sidecar. The pod's fsGroup is `user`. */}}
{{- define "gatepass.volumes" -}}
{{ include "gatepass.configured" . }}
- name: gatepass-state
  emptyDir:
    medium: Memory
    sizeLimit: 4Mi
{{- end }}
