# SPDX-License-Identifier: GPL-3.0-or-later
# The verbs of this repository; each installs what it needs. PYTHON, PARANOID_CACHE, PARANOID_LAB change the defaults.
PYTHON ?= /usr/bin/python3
export PYTHON
BIN := .cache/venv/bin

.DEFAULT_GOAL := help
.PHONY: help bootstrap lab demo test molecule lint bench down clean

help: ## Show these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

bootstrap: ## Install what is needed: Debian packages (as root) and Python packages (in a venv)
	@tests/tools/bootstrap

lab: bootstrap ## Bring up the lab: a server, five clients, a mail server
	@tests/tools/lab up

demo: bootstrap ## Provision the lab, back it all up, print the mail
	@tests/tools/demo

test: bootstrap ## Run every test
	@$(BIN)/pytest --numprocesses 2 --no-loadscope-reorder

molecule: bootstrap ## Run the Molecule scenarios of the roles
	@$(BIN)/pytest tests/lab/molecule

lint: bootstrap ## Run the checks that need no lab
	@$(BIN)/pytest tests/quality

bench: bootstrap ## Measure gate, audit and ledger against what they are compared with
	$(BIN)/python tests/bench/gate.py 1024 2
	$(BIN)/python tests/bench/audit.py 2000000
	PYTHONPATH=.cache/collections $(BIN)/python tests/bench/ledger.py --clients 5000 --days 40

down: bootstrap ## Remove the lab's hosts; the caches stay
	@tests/tools/lab down

clean: ## Remove everything that was made here: labs, images, caches
	@tests/tools/clean
