#!/usr/bin/env bash
# LeaderWorkerSet: an update of a DisaggregatedSet starts a worker more of the smaller role, with maxSurge 0 for both.
#
# Date:     2026-11-29
# Versions: sigs.k8s.io/lws v0.9.0 (Go module; the planner of its controller, which needs nothing but the standard library)
# Guess:    `maxSurge: 0, maxUnavailable: 1` in both roles updates on a full cluster, as a LeaderWorkerSet's or a Deployment's
#           does: an old worker goes, then a new one comes.
# Seen:     With 5 prefill and 1 decode workers the second step starts a new decode worker while the old one runs, so that
#           the roles' ratio holds; nothing goes on before it is ready. The same from 3 to 1 on, and in a role with
#           maxSurge 0 beside one that may surge from 2 to 1 on. Roles of the same number keep to it.
# Output:   5+1: old 5+1 new 0+0, old 4+1 new 0+0, old 4+1 new 1+1, old 3+1 new 1+1, ...
#           decode workers at once: 2, with maxSurge 0
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
mkdir get planner
printf 'module get\ngo 1.26\nrequire sigs.k8s.io/lws v0.9.0\n' > get/go.mod
folder=$(cd get && go mod download -json sigs.k8s.io/lws | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
cat "$folder/pkg/controllers/disaggregatedset/planner.go" > planner/planner.go
printf 'module plan\ngo 1.26\n' > go.mod
cat > main.go << 'END'
package main

import (
	"fmt"
	"os"

	planner "plan/planner"
)

// most returns how many workers of each role there are at once, at most, in an update of all of them.
func most(show bool, counts []int, surge [2]int) []int {
	limits := []planner.RollingUpdateConfig{{MaxSurge: surge[0], MaxUnavailable: 1 - surge[0]}, {MaxSurge: surge[1], MaxUnavailable: 1 - surge[1]}}
	found := []int{0, 0}
	steps := planner.ComputeAllSteps(counts, counts, limits)
	for _, step := range steps {
		if show {
			fmt.Printf("old %d+%d new %d+%d\n", step.Past[0], step.Past[1], step.New[0], step.New[1])
		}
		for role := range found {
			found[role] = max(found[role], step.Past[role]+step.New[role])
		}
	}
	return found
}

func main() {
	fmt.Println("decode workers at once:", most(true, []int{5, 1}, [2]int{0, 0})[1], "with maxSurge 0")
	for _, seen := range []struct{ counts []int; surge [2]int; most []int }{
		{[]int{5, 1}, [2]int{0, 0}, []int{5, 2}},
		{[]int{1, 5}, [2]int{0, 0}, []int{2, 5}},
		{[]int{3, 1}, [2]int{0, 0}, []int{3, 2}},
		{[]int{5, 2}, [2]int{0, 0}, []int{5, 3}},
		{[]int{5, 3}, [2]int{0, 0}, []int{5, 3}},
		{[]int{2, 1}, [2]int{0, 0}, []int{2, 1}},
		{[]int{1, 1}, [2]int{0, 0}, []int{1, 1}},
		{[]int{2, 1}, [2]int{1, 0}, []int{3, 2}},
		{[]int{1, 2}, [2]int{1, 0}, []int{2, 2}},
		{[]int{4, 4}, [2]int{1, 1}, []int{5, 5}},
	} {
		now := most(false, seen.counts, seen.surge)
		fmt.Println("roles", seen.counts, "maxSurge", seen.surge, "at once", now)
		if fmt.Sprint(now) != fmt.Sprint(seen.most) {
			os.Exit(1)
		}
	}
}
END
go run .
