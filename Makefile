# The platform's commands. `make` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy

UV := $(shell command -v uv 2>/dev/null || echo .local/uv/bin/uv)
RUN := .venv/bin

.PHONY: help setup run up down test check lint types fmt bench faults clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: ## install what the project needs (quick when nothing has changed)
	@sh setup/install.sh "$(UV)"

run: setup ## start everything and stay until Ctrl-C
	@exec $(RUN)/parking-cloud run

up: setup ## start everything in the background
	@$(RUN)/parking-cloud up

down: ## end what `make up` started
	@$(RUN)/parking-cloud down

test: setup ## the whole suite
	@$(RUN)/python -m pytest

lint: setup ## ruff, and the import contracts
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/lint-imports

types: setup ## strict types
	@$(RUN)/mypy

check: lint types test ## all that CI runs

fmt: setup ## put the code in its usual form
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .

bench: setup ## measure the README's claims, as ratios within one run
	@$(RUN)/python -m bench

faults: setup ## kill -9 of the gateway and the worker under load
	@$(RUN)/python -m bench.faults

clean: ## remove what was installed or built here, and all local data
	@if [ -x $(RUN)/parking-cloud ]; then $(RUN)/parking-cloud down; fi
	if [ -f .local/servers/postgres-folder ]; then rm -rf "$$(cat .local/servers/postgres-folder)"; fi
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis parking_cloud/web/node_modules
