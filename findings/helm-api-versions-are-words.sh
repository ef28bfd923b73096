#!/usr/bin/env bash
# Helm: --api-versions of a kind does not make its group known, nor the other way round.
#
# Date:     2026-11-29
# Versions: helm 4.2.4 and 3.21.4 (Go modules)
# Guess:    `helm template --api-versions monitoring.coreos.com/v1/PodMonitor` makes Has "monitoring.coreos.com/v1" true
#           too, as it is with a cluster that has the kind.
# Seen:     Has compares words. A chart that asks for the group renders nothing when the kind is given, and a chart that
#           asks for the kind nothing when the group is given; both must be passed. No warning.
# Output:   given monitoring.coreos.com/v1:            group true, kind false
#           given monitoring.coreos.com/v1/PodMonitor: group false, kind true
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN=$work/4 go install helm.sh/helm/v4/cmd/helm@v4.2.4
GOBIN=$work/3 go install helm.sh/helm/v3/cmd/helm@v3.21.4
export HOME=$work

mkdir -p chart/templates
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\n' > chart/Chart.yaml
cat > chart/templates/has.yaml << 'END'
has: group {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}, kind {{ .Capabilities.APIVersions.Has
  "monitoring.coreos.com/v1/PodMonitor" }}
END

group=monitoring.coreos.com/v1 kind=monitoring.coreos.com/v1/PodMonitor
for version in 4 3; do
  has() { "$version/helm" template release chart "$@" | sed -n 's/^has: //p'; }
  echo "Helm $version, given $group: $(has --api-versions $group)"
  echo "Helm $version, given $kind: $(has --api-versions $kind)"
  test "$(has --api-versions $group)" = "group true, kind false"
  test "$(has --api-versions $kind)" = "group false, kind true"
  test "$(has --api-versions $group,$kind)" = "group true, kind true"
done
