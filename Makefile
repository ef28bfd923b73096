# Every target works on a bare clone; what it needs it makes first. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv/bin
RUN := $(VENV)/python -m
VALUES ?= values/a3u-multi.yaml
PYTEST_ARGS ?=
# pytest-helm-charts brings a fixture of a name that it has retired, and says so in each process.
export PYTHONWARNINGS := ignore:cannot discover fixture

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11: set PYTHON=python3.11 or newer" >&2; exit 1; }
	@echo "python: installing the pinned packages into .venv"
	@test -x $(VENV)/python || $(PYTHON) -m venv .venv
	@$(VENV)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.txt | \
		awk '/^Collecting/ && ++n % 15 == 0 {print "python: " n " packages found"} /^Installing/ {print "python: unpacking " n} {fflush()}'
	@touch $@

.PHONY: python
python: .venv/.installed

.PHONY: tools
tools: python ## Pinned helm, helm3, kubectl, kind, kwok, kubeconform in .tools/bin
	@$(RUN) hack.tools

.PHONY: cluster
cluster: python ## A kind cluster whose nodes advertise (faked) NVIDIA GPUs
	@$(RUN) hack.cluster up

.PHONY: cluster-down
cluster-down: python ## Remove the cluster and everything it made
	@$(RUN) hack.cluster down

.PHONY: cluster-status
cluster-status: python ## Nodes, GPUs and images of the cluster
	@$(RUN) hack.cluster status

.PHONY: images
images: python ## The simulated Dynamo runtime image (and etcd and NATS where no registry answers)
	@$(RUN) hack.build_images build

.PHONY: demo
demo: python ## Main job: a3u-multi simulated on kind, a chat completion, and the proof (VALUES=values/x.yaml for another)
	@$(RUN) hack.demo --values $(VALUES)

.PHONY: validate
validate: python ## Judge values files of your own: schema, rules, policies, nodes (VALUES=mine.yaml, or several)
	@$(RUN) hack.validate $(VALUES)

.PHONY: preflight
preflight: python ## Does your cluster have what a values file needs? (VALUES=values/x.yaml NAMESPACE=llm RELEASE=demo)
	@$(RUN) hack.preflight $(foreach file,$(VALUES),-f $(file)) $(if $(NAMESPACE),-n $(NAMESPACE)) $(if $(RELEASE),--release $(RELEASE))

.PHONY: check
check: tools ## Fast tiers: lint, types, schema, unit, golden, policy (no cluster)
	@$(RUN) hack.schema --check
	@$(RUN) hack.docs --check
	@$(VENV)/ruff check hack tests files
	@$(VENV)/ruff format --check hack tests files
	@$(VENV)/mypy
	@$(VENV)/yamllint --strict .
	@.tools/bin/helm lint --strict --quiet .
	@$(VENV)/pytest -n auto tests/unit tests/schema tests/golden tests/policy $(PYTEST_ARGS)

.PHONY: test
test: python ## Everything: the fast tiers, a release against a real registry, then scheduling and end to end on kind
	@$(MAKE) --no-print-directory check PYTEST_ARGS="--hypothesis-profile=ci $(PYTEST_ARGS)"
	@$(VENV)/pytest -n auto tests/tooling $(PYTEST_ARGS)
	@$(VENV)/pytest tests/release $(PYTEST_ARGS)
	@$(VENV)/pytest tests/scheduling tests/e2e $(PYTEST_ARGS)

.PHONY: scheduling
scheduling: tools ## Every scenario on KWOK nodes of its machine; its table goes to docs/scheduling.md
	@$(VENV)/pytest tests/scheduling --update-docs $(PYTEST_ARGS)

.PHONY: bench-scale
bench-scale: cluster ## The workers of fifty 10P8D releases on 900 KWOK nodes, beside a plain Deployment of the same pods
	@$(RUN) hack.bench_scale

.PHONY: generate
generate: python ## Rebuild values.schema.json, docs/values.md, values/README.md, and tables of README.md and docs/engine-flags.md
	@$(RUN) hack.schema
	@$(RUN) hack.docs

.PHONY: golden
golden: tools ## Accept the current render as the golden objects
	@$(VENV)/pytest -q tests/golden --update-golden

.PHONY: openapi
openapi: cluster ## Refresh schemas/kubernetes from the cluster's API server
	@$(RUN) hack.openapi

.PHONY: requirements
requirements: python ## Pin the dependencies (of this project and of the runtime image), with hashes
	@$(VENV)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	@cd hack/containers/runtime && $(CURDIR)/$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --override overrides.txt --excludes excludes.txt requirements.in -o requirements.txt

# For publish and verify-release; docs/releasing.md says what each variable is.
TRUST = $(if $(KEY),--key "$(KEY)") $(if $(IDENTITY),--identity "$(IDENTITY)") $(if $(ISSUER),--issuer "$(ISSUER)") \
	$(if $(NO_TRANSPARENCY_LOG),--no-transparency-log)
CONNECTION = $(if $(CA_FILE),--ca-file "$(CA_FILE)") $(if $(PLAIN_HTTP),--plain-http)
OUT ?= dist

.PHONY: package
package: python ## The chart's package and its bill of materials (OUT=dist)
	@$(RUN) hack.release package --out "$(OUT)" $(if $(ALLOW_DIRTY),--allow-dirty)

.PHONY: publish
publish: python ## Package, push, sign, attest, check, then tag (REGISTRY=oci://host/path KEY=cosign.key)
	@$(RUN) hack.release publish --registry "$(REGISTRY)" --out "$(OUT)" $(TRUST) $(CONNECTION)

.PHONY: verify-release
verify-release: python ## Check a published chart (REF=oci://host/path/dynamo-disagg:VERSION KEY=cosign.pub)
	@$(RUN) hack.release verify "$(REF)" $(TRUST) $(CONNECTION)

.PHONY: mirror
mirror: python ## Copy the images of a values file to a registry of yours (TO=host/path VALUES=values/x.yaml)
	@$(RUN) hack.images mirror $(foreach file,$(VALUES),-f $(file)) --to "$(TO)" $(CONNECTION)

.PHONY: clean
clean: ## Remove .venv and .tools (not the caches, not the cluster)
	@rm -rf .venv .tools
