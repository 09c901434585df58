# Shaketable, by one word each: `make help` lists them. There is one build profile (dev,
# with optimised dependencies), so that build, demo and test share what they compile.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build demo flaws test bench soak clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# rustup's folder is on PATH only in login shells.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
shaketable := $(or $(CARGO_TARGET_DIR),target)/debug/shaketable

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## install what this machine lacks (Kafka, PostgreSQL, Redis, …), and nothing else
	@scripts/setup.sh

build: ## compile everything
	cargo build --workspace --locked

demo: setup build ## break a real Kafka cluster under load and account for every order
	$(shaketable) demo

flaws: setup build ## plant each flaw of the order system alone, find it, and pass without it: three times each
	$(shaketable) demo --flaws --rounds 3

test: setup ## check the format, lint, and run all tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo build --workspace --locked
	cargo test --workspace --locked

bench: setup build ## measure, the Chaos Toolkit beside us
	scripts/bench-chaos-toolkit.py --shaketable $(shaketable)
	scripts/bench.sh

soak: setup build ## bring a system up and down 50 times, killing at random, and look for what is left
	scripts/soak-up-down.sh

clean: ## take down every system that is up, then delete what was built and recorded here
	@if [ -x $(shaketable) ]; then $(shaketable) down --all; \
	elif [ -d .shaketable/systems ]; then \
		echo "clean: systems may be up, and $(shaketable) is not there to take them down: run 'make build' first" >&2; \
		exit 1; \
	fi
	rm -rf .shaketable
	cargo clean
