// Package flux names the API packages whose CRDs controller-gen writes; see hack/gitops.py.
package flux

import (
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/fluxcd/source-controller/api/v1"
)
