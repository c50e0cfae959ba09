"""Renders the chart with Helm's own library, checks what comes out and the plain manifests against Kubernetes' schemas, and
prints all of it as JSON: {"name of the file": [objects]}. Usage: manifests.py DIRECTORY_OF_THE_FLEET"""

import json
import pathlib
import shutil
import sys
import tempfile

import helm_python as helm
import kubernetes_validate
import yaml

VERSIONS = ("1.29", "1.37")
VALUES = {"masters": ["https://master1.example.com:31116"], "apikeySecret": "gatepass-apikey"}
# A chart that has ours as a dependency, as values.yaml says.
USER = """
apiVersion: v1
kind: Pod
metadata: {name: example}
spec:
  securityContext: {fsGroup: 10001, runAsUser: 10001, runAsNonRoot: true}
  initContainers:
    - {{ include "gatepass.sidecar" . | nindent 6 | trim }}
  containers: [{name: example, image: example}]
  volumes:
    {{- include "gatepass.volumes" . | nindent 4 }}
"""
REFUSED = [
    {},
    {**VALUES, "apikeySecret": ""},
    {**VALUES, "masters": []},
    {**VALUES, "masters": ["http://master1.example.com"]},
    {**VALUES, "user": 0},
]


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


def rendered(chart, values):
    with helm.Chart.load(str(chart)) as loaded:
        files = loaded.render(values, name="demo", namespace="gatepass")
    return [found for name, text in files.items() if name.endswith(".yaml") for found in objects(text)]


def with_sidecar(chart, scratch):
    copy = pathlib.Path(scratch) / "gatepass"
    shutil.copytree(chart, copy)
    (copy / "templates/user.yaml").write_text(USER)
    return rendered(copy, {**VALUES, "mode": "sidecar"})


def main(fleet):
    found = {path.name: objects(path.read_text()) for path in sorted(fleet.glob("kubernetes/*.yaml"))}
    chart = fleet / "helm/gatepass"
    found["helm: daemonset"] = rendered(chart, VALUES)
    with tempfile.TemporaryDirectory() as scratch:
        found["helm: sidecar"] = with_sidecar(chart, scratch)
    for values in REFUSED:
        try:
            rendered(chart, values)
        except helm.HelmError:
            continue
        sys.exit(f"the chart accepts {values}")
    for name, manifests in found.items():
        for manifest in manifests:
            for version in VERSIONS:
                kubernetes_validate.validate(manifest, version, strict=True)
    print(json.dumps(found))


main(pathlib.Path(sys.argv[1]))
