# Every target works on a bare clone; what it needs it makes first. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv/bin
RUN := $(VENV)/python3 -m hack
VALUES ?= values/a3u-multi.yaml
PYTEST_ARGS ?=
# VALUES has a default, which is no benchmark's.
BENCH_VALUES = $(if $(filter command line,$(origin VALUES)),$(foreach file,$(VALUES),-f $(file)))
BENCH_OUT = $(if $(filter command line,$(origin OUT)),--out "$(OUT)")

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11: set PYTHON=python3.11 or newer" >&2; exit 1; }
	@echo "python: installing the pinned packages into .venv"
	@test -x $(VENV)/python || $(PYTHON) -m venv .venv
	@$(VENV)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.txt | \
		awk '/^Collecting/ && ++n % 15 == 0 {print "python: " n " packages found"} /^Installing/ {print "python: unpacking " n} {fflush()}'
	@$(VENV)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: python
python: .venv/.installed

.PHONY: tools
tools: python ## Pinned helm, helm3, kubectl, kind, kwok in .tools/bin
	@$(RUN) tools

.PHONY: cluster
cluster: python ## A kind cluster whose nodes advertise (faked) NVIDIA GPUs
	@$(RUN) cluster up

.PHONY: cluster-down
cluster-down: python ## Remove the cluster and everything it made
	@$(RUN) cluster down

.PHONY: cluster-status
cluster-status: python ## Nodes, GPUs and images of the cluster
	@$(RUN) cluster status

.PHONY: images
images: python ## The simulated Dynamo runtime image (and etcd and NATS where no registry answers)
	@$(RUN) images build

.PHONY: demo
demo: python ## Main job: a3u-multi simulated on kind, a chat completion, and the proof (VALUES=values/x.yaml for another)
	@$(RUN) demo --values $(VALUES)

.PHONY: validate
validate: python ## Judge values files of your own: schema, rules, policies, nodes (VALUES=mine.yaml, or several)
	@$(RUN) validate $(VALUES)

.PHONY: preflight
preflight: python ## Does your cluster have what a values file needs? (VALUES=values/x.yaml NAMESPACE=llm RELEASE=demo)
	@$(RUN) preflight $(foreach file,$(VALUES),-f $(file)) $(if $(NAMESPACE),-n $(NAMESPACE)) $(if $(RELEASE),--release $(RELEASE))

.PHONY: reliability
reliability: python ## What clients lose in upgrades and faults, on a cluster of `make cluster` (KUBECONFIG=file), to docs/reliability.md
	@$(RUN) reliability --write --kubeconfig "$(KUBECONFIG)"

.PHONY: overload
overload: python ## Three times the load that a release can take, on a cluster of `make cluster` (KUBECONFIG=file), to docs/autoscaling.md
	@$(RUN) overload --write --kubeconfig "$(KUBECONFIG)"

.PHONY: scaling
scaling: python ## KEDA and an HPA follow the load, on a cluster of `make cluster` (KUBECONFIG=file), to docs/autoscaling.md
	@$(RUN) scaling --write --kubeconfig "$(KUBECONFIG)"

.PHONY: alerts
alerts: python ## Which alerts fire in which fault, on a cluster of `make cluster` (KUBECONFIG=file), to docs/monitoring.md
	@$(RUN) alerts --write --kubeconfig "$(KUBECONFIG)"

.PHONY: verify
verify: python ## Prove a running release: answer, pods, KV transport, no second prefill (RELEASE=demo NAMESPACE=llm)
	@$(RUN) verify $(or $(RELEASE),demo) $(if $(NAMESPACE),-n $(NAMESPACE))

.PHONY: lint
lint: tools ## Formats, types, what is generated, and the chart by Helm's own lint
	@$(RUN) schema bundle --check
	@$(RUN) docs --check
	@$(VENV)/ruff check hack tests files
	@$(VENV)/ruff format --check hack tests files
	@$(VENV)/mypy
	@$(VENV)/yamllint --strict .
	@.tools/bin/helm lint --strict --quiet .

FAST := tests/unit tests/schema tests/golden tests/policy

.PHONY: check
check: lint ## The fast tiers: lint, unit, schema, golden, policy (no cluster)
	@$(VENV)/pytest -n auto $(FAST) $(PYTEST_ARGS)

.PHONY: test
test: lint ## Everything: the fast tiers, a release against a real registry, scheduling and end to end on kind
	@$(RUN) tools crane cosign registry actionlint
	@$(VENV)/pytest -n 5 --dist loadfile --hypothesis-profile=ci $(FAST) tests/tooling tests/release tests/scheduling tests/e2e $(PYTEST_ARGS)

.PHONY: controllers
controllers: tools ## Groups of pods and queues by the controllers of LeaderWorkerSet and Kueue themselves, on kind
	@$(VENV)/pytest tests/controllers $(PYTEST_ARGS)

.PHONY: scheduling
scheduling: tools ## Every scenario on KWOK nodes of its machine; what was seen goes to tests/proofs.yaml
	@$(VENV)/pytest tests/scheduling --update-proofs $(PYTEST_ARGS)

.PHONY: bench-scale
bench-scale: cluster ## The workers of fifty 10P8D releases on 900 KWOK nodes, beside a plain Deployment of the same pods
	@$(RUN) bench scale

.PHONY: bench
bench: python ## Measure a running release with AIPerf (RELEASE=demo NAMESPACE=llm VALUES=bench.yaml OUT=folder)
	@$(RUN) bench run $(or $(RELEASE),demo) $(if $(NAMESPACE),-n $(NAMESPACE)) $(BENCH_VALUES) $(BENCH_OUT)

.PHONY: bench-arms
bench-arms: python ## Disaggregated and aggregated on the same GPUs, one after the other (VALUES="mine.yaml bench.yaml" NAMESPACE=llm)
	@$(RUN) bench arms $(if $(NAMESPACE),-n $(NAMESPACE)) $(foreach file,$(VALUES),-f $(file)) $(BENCH_OUT)

.PHONY: bench-compare
bench-compare: python ## A table, pictures, a page and a verdict of two result folders (A=folder B=folder)
	@$(RUN) bench compare "$(A)" "$(B)" $(BENCH_OUT)

.PHONY: bench-predict
bench-predict: cluster ## Is `hack size` right? Its prediction beside a benchmark in simulation, to docs/benchmark.md
	@$(RUN) bench predict --write

.PHONY: generate
generate: python ## Rebuild values.schema.json, docs/values.md, values/README.md, the templates of flags, and tables in pages
	@$(RUN) schema bundle
	@$(RUN) docs

.PHONY: golden
golden: tools ## Accept the current render as the golden objects
	@$(VENV)/pytest -q tests/golden --update-golden

.PHONY: openapi
openapi: cluster ## Refresh schemas/kubernetes from the cluster's API server
	@$(RUN) schema kubernetes

.PHONY: requirements
requirements: python ## Pin the dependencies (of this project and of the runtime image), with hashes
	@$(VENV)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	@cd hack/data/runtime && $(CURDIR)/$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --override overrides.txt --excludes excludes.txt requirements.in -o requirements.txt
	@cd hack/data/previous_runtime && $(CURDIR)/$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-deps requirements.in -o requirements.txt
	@cd hack/data/aiperf && $(CURDIR)/$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --excludes excludes.txt requirements.in -o requirements.txt
	@cd tests/tooling/kv_probe && $(CURDIR)/$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-deps requirements.in -o requirements.txt

# For publish and verify-release; docs/releasing.md says what each variable is.
TRUST = $(if $(KEY),--key "$(KEY)") $(if $(IDENTITY),--identity "$(IDENTITY)") $(if $(ISSUER),--issuer "$(ISSUER)") \
	$(if $(NO_TRANSPARENCY_LOG),--no-transparency-log)
CONNECTION = $(if $(CA_FILE),--ca-file "$(CA_FILE)") $(if $(PLAIN_HTTP),--plain-http)
OUT ?= dist

.PHONY: package
package: python ## The chart's package and its bill of materials (OUT=dist)
	@$(RUN) release package --out "$(OUT)" $(if $(ALLOW_DIRTY),--allow-dirty)

.PHONY: publish
publish: python ## Package, push, sign, attest, check, then tag (REGISTRY=oci://host/path KEY=cosign.key)
	@$(RUN) release publish --registry "$(REGISTRY)" --out "$(OUT)" $(TRUST) $(CONNECTION)

.PHONY: verify-release
verify-release: python ## Check a published chart (REF=oci://host/path/dynamo-disagg:VERSION KEY=cosign.pub)
	@$(RUN) release verify "$(REF)" $(TRUST) $(CONNECTION)

.PHONY: mirror
mirror: python ## Copy the images of a values file to a registry of yours (TO=host/path VALUES=values/x.yaml)
	@$(RUN) images mirror $(foreach file,$(VALUES),-f $(file)) --to "$(TO)" $(CONNECTION)

.PHONY: pin
pin: python ## Write the digests of a values file's images beside it (VALUES=mine.yaml gives mine.digests.yaml)
	@$(RUN) images pin $(foreach file,$(VALUES),-f $(file)) --out "$(basename $(lastword $(VALUES))).digests.yaml" \
		$(if $(LOGIN),--login "$(LOGIN)") $(CONNECTION)

.PHONY: clean
clean: ## Remove .venv and .tools (not the caches, not the cluster)
	@rm -rf .venv .tools
