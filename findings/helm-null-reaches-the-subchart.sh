#!/usr/bin/env bash
# Helm: null removes a subchart's own default, but a default that only the parent's values.yaml has arrives as null.
#
# Date:     2026-11-29
# Versions: helm 4.2.4 and 3.21.4 (Go modules)
# Guess:    a null in the user's values removes the default, whichever values.yaml of the chart holds it.
# Seen:     it is removed where the subchart has the key too. Where only the parent sets it for the subchart, the
#           subchart's template sees the key with the value null: hasKey is true and a field of it is an error. With -f
#           and with --set, in both versions.
# Output:   no null:   {"both":{"b":1},"global":{},"parentOnly":{"a":1},"subOnly":{"c":3}}
#           all null:  {"global":{},"parentOnly":null}
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN=$work/4 go install helm.sh/helm/v4/cmd/helm@v4.2.4
GOBIN=$work/3 go install helm.sh/helm/v3/cmd/helm@v3.21.4
export HOME=$work

mkdir -p parent/charts/sub/templates
printf 'apiVersion: v2\nname: parent\nversion: 1.0.0\n' > parent/Chart.yaml
printf 'apiVersion: v2\nname: sub\nversion: 1.0.0\n' > parent/charts/sub/Chart.yaml
printf 'sub:\n  parentOnly: {a: 1}\n  both: {b: 1}\n' > parent/values.yaml
printf 'both: {b: 2}\nsubOnly: {c: 3}\n' > parent/charts/sub/values.yaml
printf 'values: {{ toJson .Values }}\n' > parent/charts/sub/templates/values.yaml
printf 'sub: {parentOnly: null, both: null, subOnly: null}\n' > null.yaml

for version in 4 3; do
  values() { "$version/helm" template release parent "$@" | sed -n 's/^values: //p'; }
  echo "Helm $version, no null:  $(values)"
  echo "Helm $version, all null: $(values -f null.yaml)"
  test "$(values)" = '{"both":{"b":1},"global":{},"parentOnly":{"a":1},"subOnly":{"c":3}}'
  test "$(values -f null.yaml)" = '{"global":{},"parentOnly":null}'
  test "$(values --set sub.parentOnly=null,sub.both=null,sub.subOnly=null)" = '{"global":{},"parentOnly":null}'
done
