#!/usr/bin/env bash
# Helm: a relative "$ref" to a file in values.schema.json is looked for at the root of the file system.
#
# Date:     2026-11-29
# Versions: helm 4.2.4 and 3.21.4 (Go modules)
# Guess:    "$ref": "schemas/n.json" is read beside values.schema.json, so a long schema can be several files.
# Seen:     both open /schemas/n.json, whatever the working folder, and fail. So what is published must be one file.
# Output:   failing loading "file:///schemas/n.json": open /schemas/n.json: no such file or directory
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN=$work/4 go install helm.sh/helm/v4/cmd/helm@v4.2.4
GOBIN=$work/3 go install helm.sh/helm/v3/cmd/helm@v3.21.4
export HOME=$work

mkdir -p chart/templates chart/schemas
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\n' > chart/Chart.yaml
printf 'n: 1\n' > chart/values.yaml
printf 'n: {{ .Values.n }}\n' > chart/templates/n.yaml
printf '{"type": "integer"}' > chart/schemas/n.json
test ! -e /schemas/n.json

for version in 4 3; do
  printf '{"properties": {"n": {"$ref": "schemas/n.json"}}}' > chart/values.schema.json
  for chart in . "$work/chart"; do
    if (cd chart && "$work/$version/helm" template release "$chart") > out 2> error; then exit 1; fi
    echo "Helm $version, helm template release $chart: $(grep "failing loading" error)"
    grep -q "open /schemas/n.json: no such file or directory" error
  done
  printf '{"properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}' > chart/values.schema.json
  "$version/helm" template release chart > /dev/null
done
