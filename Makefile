# seqapps: raw sequence data -> served Keras model. `make` alone prints this help.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PROFILE ?= full
SET ?=
PORT ?=
# cpu or gpu: which TensorFlow the environment holds
EXTRA ?= cpu
ALL := $(notdir $(patsubst %/,%,$(wildcard pipelines/*/)))
STAGES := ingest preprocess train evaluate export
LOCK := requirements-$(EXTRA).lock
PYTHON := .venv/bin/python
RUN = $(PYTHON) -m seqapps
# One word of a shell: the value of a variable, whatever signs are in it.
define newline


endef
quoted = '$(subst $(newline),'$$'\n'',$(subst ','\'',$(value $(1))))'
# NAME=value words as the user gave them, each one word of a shell.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
GIVEN := $(filter-out MAKE% -%,$(GIVEN))
# Make would expand a dollar sign in what it exports.
unexport $(foreach name,$(GIVEN),$(if $(findstring $$,$(value $(name))),$(name)))
words = $(foreach name,$(GIVEN),$(name)=$(call quoted,$(name)))
# Stages started by one call of make share one MLflow run.
export SEQAPPS_PIPELINE := $(or $(SEQAPPS_PIPELINE),$(shell date +%Y%m%d-%H%M%S)-$(shell echo $$PPID))

.PHONY: help all $(ALL) status predict sweep tune compare promote rollback new native ui serve demo report
.PHONY: bench test lint format lock clean-venv FORCE
.PHONY: $(foreach app,$(ALL),$(STAGES:%=$(app)-%) clean-$(app))
# Never remove what a chain of pattern rules made on the way.
.SECONDARY:

help: ## this help
	@echo "make <target> [PROFILE=full|smoke] [SET=\"train.epochs=3 train.cell=gru\"] [FORCE=1] [-j]"
	@sed -nE 's/^(# )?([a-z<>-]+):.*## (.*)/  \2\t\3/p' $(MAKEFILE_LIST) | expand -t 22
	@echo "applications: $(ALL)"
	@echo "stages:       $(STAGES)   (make dna-train)"

all: $(ALL) ## every stage of every application
# <app>: ## every stage of one application
# <app>-<stage>: ## one stage and what it needs
# clean-<app>: ## forget what was made for one application
$(ALL): %: data/%/$(PROFILE)/export/done.json

# Make decides the order, the stage's receipt decides whether there is work: the recipe always
# runs, says "fresh" when nothing it depends on has changed, and then leaves the receipt as it is.
# One process is asked once for all stages that have nothing to do; the others start one of their own.
define stage_target
$(1)-$(2): data/$(1)/$$(PROFILE)/$(2)/done.json
endef
$(foreach app,$(ALL),$(foreach stage,$(STAGES),$(eval $(call stage_target,$(app),$(stage)))))

IDLE = $(eval IDLE := $(if $(FORCE),,$(shell $(RUN) idle --profile $(call quoted,PROFILE) --set $(call quoted,SET) \
  2>/dev/null)))$(IDLE)
run_stage = @$(if $(filter $*/$(notdir $(@D)),$(IDLE)),echo "$* $(notdir $(@D)): fresh",$(RUN) $* \
  $(notdir $(@D)) --profile $(call quoted,PROFILE) --set $(call quoted,SET) $(if $(FORCE),--force))
data/%/$(PROFILE)/ingest/done.json: FORCE | .venv/ready
	$(run_stage)
data/%/$(PROFILE)/preprocess/done.json: data/%/$(PROFILE)/ingest/done.json FORCE
	$(run_stage)
data/%/$(PROFILE)/train/done.json: data/%/$(PROFILE)/preprocess/done.json FORCE | .venv/native
	$(run_stage)
data/%/$(PROFILE)/evaluate/done.json: data/%/$(PROFILE)/train/done.json FORCE
	$(run_stage)
data/%/$(PROFILE)/export/done.json: data/%/$(PROFILE)/evaluate/done.json FORCE
	$(run_stage)

status: .venv/ready ## fresh or stale, and why
	@$(RUN) status --profile $(call quoted,PROFILE) --set $(call quoted,SET)

predict: .venv/ready ## answers for your files: APP= INPUT= [OUT=] and the application's options
	@$(RUN) predict $(words)

sweep: .venv/ready ## one key, several values: APP= KEY=train.cell VALUES=gru,lstm [SEEDS=1,2,3]
	@$(RUN) sweep $(words)

tune: .venv/ready ## search the profile's [tune] on validation: APP= TRIALS=20 [JOBS=2]
	@$(RUN) tune $(words)

compare: .venv/ready ## runs side by side, and what differed: APP= [RUNS=one,other, else the last]
	@$(RUN) compare $(words)

promote: .venv/ready ## a version becomes the champion, which answers: APP= [VERSION=newest]
	@$(RUN) promote $(words)

rollback: .venv/ready ## the champion before answers again: APP=
	@$(RUN) rollback $(words)

new: .venv/ready ## a new application that passes the contract test: APP=
	@$(RUN) new $(words)
	@$(PYTHON) -m ruff check --quiet --select I --fix seqapps/apps/$(APP) tests/apps/$(APP)

native: .venv/ready ## the recurrent ops for this processor; needs a C++ compiler
	@TF_CPP_MIN_LOG_LEVEL=3 $(PYTHON) -m seqapps.kit.native

ui: .venv/ready ## MLflow on mlruns/, this machine only [PORT=5000]
	@$(RUN) ui --port $(or $(PORT),5000)

# An environment of its own: a newer TensorFlow, KServe, and nothing that trains.
exported = $(foreach app,$(or $(APP),$(ALL)),$(if $(wildcard data/$(app)/$(PROFILE)/export/done.json),\
  $(app)=data/$(app)/$(PROFILE)/export))
serve: .venv-serve/ready ## answers over REST and gRPC: [APP=] [PORT=8080] [GRPC_PORT=8081] [HOST= NAME=] [LOG=json]
	@$(if $(strip $(exported)),,echo "nothing is exported; run make <app> first" >&2; exit 2;) \
	  exec .venv-serve/bin/python -m seqapps.serving.server $(exported) \
	  --host $(if $(HOST),$(call quoted,HOST),127.0.0.1) --port $(or $(PORT),8080) \
	  --grpc-port $(or $(GRPC_PORT),8081) $(if $(NAME),--name $(call quoted,NAME)) \
	  $(if $(LOG),--log $(call quoted,LOG))

demo: .venv/ready .venv-serve/ready ## a page to try the served models: [PORT=7860] [SERVE_PORT=8080]
	@exec $(RUN) demo --profile $(call quoted,PROFILE) --port $(or $(PORT),7860) \
	  --serve-port $(or $(SERVE_PORT),8080)

report: .venv/ready ## result tables of README and cards from metrics.json [PROFILE=]
	@$(RUN) report --profile $(call quoted,PROFILE)

test: .venv/ready .venv/native .venv-serve/ready ## all tests, in two processes [TESTS=one file]
	@$(PYTHON) -m pytest $(or $(TESTS),-n 2 --dist loadscope)

bench: .venv/native .venv-bench/ready ## training steps beside PyTorch's, in turns
	@PYTHONPATH=. $(PYTHON) benchmarks/pytorch.py

lint: .venv/ready ## ruff, the floors of imports, pyright
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .
	@.venv/bin/lint-imports
	@$(PYTHON) -m pyright

format: .venv/ready ## ruff's formatter and safe fixes
	@$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

lock: ## lock files anew from pyproject.toml (needs uv)
	@for extra in cpu gpu; do uv pip compile pyproject.toml --extra $$extra --extra dev \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" -q \
	  -o requirements-$$extra.lock; done
	@# tensorflow-serving-api asks for tensorflow even where tensorflow-cpu is there.
	@grep -o "tensorflow==2[^\"]*" pyproject.toml | tail -1 | uv pip compile --group serve \
	  --override /dev/stdin --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -q \
	  -o requirements-serve.lock

$(ALL:%=clean-%): clean-%:
	rm -rf data/$*

clean-venv: ## forget the environments
	rm -rf .venv .venv-serve .venv-bench

# An environment is made anew when its lock changes, so that nothing of an old one stays in it.
.venv/ready: $(LOCK)
	$(call environment,.venv,$<)
.venv-serve/ready: requirements-serve.lock
	$(call environment,.venv-serve,$<)

.venv-bench/ready: benchmarks/requirements.txt
	@rm -rf .venv-bench && python3.11 -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Recurrent layers as one op; without a C++ compiler Keras' own train.
.venv/native: .venv/ready seqapps/kit/native/recurrent.cc
	@TF_CPP_MIN_LOG_LEVEL=3 $(PYTHON) -m seqapps.kit.native
	@touch $@

define environment
	@command -v python3.11 >/dev/null || { echo "python3.11 is missing: install Python 3.11 \
	(Debian: apt-get install python3.11-venv; pyenv: pyenv install 3.11) and try again" >&2; exit 1; }
	@echo "making $(1) from $(2) (a minute or two)"
	@rm -rf $(1) && python3.11 -m venv $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r $(2)
	@touch $@
endef
