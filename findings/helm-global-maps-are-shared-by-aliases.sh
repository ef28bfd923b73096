#!/usr/bin/env bash
# Helm: a map two levels below a parent's global is one map for all its subcharts: what one alias sets in it, all have.
#
# Date:     2026-12-01
# Versions: helm 4.2.4 and 3.21.4 (Go modules)
# Guess:    each alias of a subchart gets the parent's global, and what is typed under the alias is its own.
# Seen:     the copy is one level deep. A scalar, and a map right below global, are an alias's own; a map below that is
#           the same one for all, so what one alias types in it reaches the other, whichever is first. Where both type
#           the same key, or the chart has a default for it, the first one in Chart.yaml wins: what the second one types
#           is lost to the default of the first. No warning. A map that the parent's global lacks is each one's own.
#           helm/helm issue 12181 is about it.
# Output:   small types it, large none:  small {"secret":"s","type":"pvc"} large {"secret":"s","type":"pvc"}
#           large types it, small none:  small {"secret":"s","type":"pvc"} large {"secret":"s","type":"pvc"}
#           large types it, and a default:  small {"secret":"s","type":"hub"} large {"secret":"s","type":"hub"}
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN=$work/4 go install helm.sh/helm/v4/cmd/helm@v4.2.4
GOBIN=$work/3 go install helm.sh/helm/v3/cmd/helm@v3.21.4
export HOME=$work

mkdir -p parent/charts/sub/templates
cat > parent/Chart.yaml << 'END'
apiVersion: v2
name: parent
version: 1.0.0
dependencies:
  - {name: sub, version: 1.0.0, alias: small}
  - {name: sub, version: 1.0.0, alias: large}
END
printf 'apiVersion: v2\nname: sub\nversion: 1.0.0\n' > parent/charts/sub/Chart.yaml
# A map two levels below global, the map above it, and a scalar.
cat > parent/charts/sub/templates/values.yaml << 'END'
source: {{ .Chart.Name }} {{ dig "model" "source" dict .Values.global | toJson }}
model: {{ .Chart.Name }} {{ omit (.Values.global.model | default dict) "source" | toJson }}
scalar: {{ .Chart.Name }} {{ .Values.global.scalar }}
END

# is WHAT EXPECTED KEY DEFAULTS VALUES...
is() {
  local line
  echo "$4" > parent/charts/sub/values.yaml
  printf '%s\n' "${@:5}" > values.yaml
  line=$("$version/helm" template release parent -f values.yaml | sed -n "s/^$3: //p" | sort -r | paste -sd ' ')
  echo "Helm $version, $1:  $line"
  test "$line" = "$2"
}
none='{}' shared='global: {model: {source: {secret: s}}}'
pvc='{global: {model: {source: {type: pvc}}}}' image='{global: {model: {source: {type: image}}}}'
for version in 4 3; do
  both='small {"secret":"s","type":"pvc"} large {"secret":"s","type":"pvc"}'
  is "small types it, large none" "$both" source "$none" "$shared" "small: $pvc"
  is "large types it, small none" "$both" source "$none" "$shared" "large: $pvc"
  is "both type it" "$both" source "$none" "$shared" "small: $pvc" "large: $image"
  hub='small {"secret":"s","type":"hub"} large {"secret":"s","type":"hub"}'
  is "large types it, and a default" "$hub" source 'global: {model: {source: {type: hub}}}' "$shared" "large: $pvc"

  is "the parent lacks the map" 'small {"type":"pvc"} large {"type":"image"}' source "$none" 'global: {model: {a: 1}}' \
    "small: $pvc" "large: $image"
  is "a map right below global" 'small {"a":1,"b":2} large {"a":1}' model "$none" 'global: {model: {a: 1}}' \
    'small: {global: {model: {b: 2}}}'
  is "a scalar" 'small 1 large 2' scalar "$none" 'small: {global: {scalar: 1}}' 'large: {global: {scalar: 2}}'
done
