# SPDX-License-Identifier: GPL-3.0-or-later
# The verbs of this repository; each installs what it needs. PYTHON, PARANOID_CACHE, PARANOID_LAB change the defaults.
PYTHON ?= /usr/bin/python3
export PYTHON
BIN := .cache/venv/bin
PYTEST := $(BIN)/pytest --numprocesses 2 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help bootstrap bootstrap-unit lab demo test unit integration lab-test test-zfs power-cuts molecule lint coverage mutants times bench screenshots down clean

help: ## Show these lines
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

bootstrap: ## Install what is needed: Debian packages (as root) and Python packages (in a venv)
	@tests/tools/bootstrap

bootstrap-unit:
	@tests/tools/bootstrap unit

lab: bootstrap ## Bring up the lab: a server, five clients, a mail server
	@tests/tools/lab up

demo: bootstrap ## Provision the lab, back it all up, print the mail, bring a lost file back, write the page
	@tests/tools/demo

test: bootstrap ## Run every test, the longest first
	@tests/tools/measured own $(PYTEST)

unit: bootstrap-unit ## Run the tests that need no root, no containers and no other processes
	@$(PYTEST) tests/unit

integration: bootstrap ## Run the tests that start Borg, sshd or Ansible on this machine
	@$(PYTEST) tests/integration

lab-test: bootstrap ## Run the tests that need the lab
	@$(BIN)/pytest tests/lab

test-zfs: bootstrap ## Run the tests on real OpenZFS, in a virtual machine that is built once
	@$(BIN)/pytest tests/vm

power-cuts: bootstrap ## Cut that machine's power at random, CUTS=10 times at each: session, commit, compaction, entry of the ledger
	@PARANOID_POWER_CUTS=$(or $(CUTS),10) $(BIN)/pytest tests/vm

molecule: bootstrap ## Run the Molecule scenarios of the roles
	@$(BIN)/pytest tests/lab/molecule

lint: bootstrap ## Run the checks that need no lab
	@$(PYTEST) tests/quality

coverage: bootstrap ## Run the tests that need no lab, and name the lines that none of them runs
	@tests/tools/measured all $(PYTEST) tests/unit tests/integration --ignore tests/integration/cores

mutants: bootstrap ## Make slips in the safety-critical files and name those that no test notices: SLIPS="--sample 50 FILE..."
	@PYTHONPATH=tests/support nice $(BIN)/python tests/mutants/run.py $(SLIPS)

times: bootstrap-unit ## Show how long each group of tests took when it last ran
	@$(BIN)/python tests/support/times.py

bench: bootstrap ## Measure gate, audit, restore, ownership, ledger, page and runner against what they are compared with
	$(BIN)/python tests/bench/gate.py 1024 2
	$(BIN)/python tests/bench/audit.py 2000000
	$(BIN)/python tests/bench/anomaly.py
	$(BIN)/python tests/bench/restore.py
	$(BIN)/python tests/bench/ownership.py 2000000 1000
	PYTHONPATH=.cache/collections $(BIN)/python tests/bench/ledger.py --clients 5000 --days 40
	PYTHONPATH=.cache/collections $(BIN)/python tests/bench/page.py --clients 5000 --days 40
	$(BIN)/python tests/bench/runner.py

screenshots: bootstrap-unit ## Take the pictures in docs/images again: page and mail, in Debian's chromium
	@PYTHONPATH=.cache/collections:tests/support $(BIN)/python -m screenshots

down: bootstrap ## Remove the lab's hosts; the caches stay
	@tests/tools/lab down

clean: ## Remove everything that was made here: labs, images, caches
	@tests/tools/clean
