// Judges pods by the Pod Security Standards with Kubernetes' own evaluator, the one of its admission.
// in:  a JSON list of pods {metadata, spec}
// out: a JSON list, for each pod the checks of the "restricted" level that it fails, as "reason: detail"
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	var pods []corev1.Pod
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err == nil {
		err = json.NewDecoder(os.Stdin).Decode(&pods)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	found := make([][]string, len(pods))
	for i, pod := range pods {
		found[i] = []string{}
		for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				found[i] = append(found[i], fmt.Sprintf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail))
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
