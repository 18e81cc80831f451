# SPDX-License-Identifier: Apache-2.0
# The menu. What the goals do is in meson.build, tools/, lab/, demo/ and bench/.

BUILD = build
SEEDS = 1000
SECONDS = 60
PYTHON = /usr/bin/python3
MODE = ethernet
CHECK = $(PYTHON) tools/check --build $(BUILD)

.PHONY: help deps build layers check check-modes unit sim gmpls-sim lab-check asan fuzz lint demo demo-down bench clean

help:
	@echo 'make deps                install the Debian packages that are missing (packaging/packages.txt)'
	@echo 'make build               build $(BUILD)/scgd, $(BUILD)/gmplsd and $(BUILD)/scgctl'
	@echo 'make check               everything below up to fuzz, and the lab; ends with "N passed, N failed"'
	@echo 'make layers              hold src/ against the table of who may use whom'
	@echo 'make unit                the unit tests'
	@echo 'make sim [SEEDS=N]       two gateways in a world of random faults, N times (default $(SEEDS))'
	@echo 'make sim SEED=S          the same, one seed, with its story'
	@echo 'make gmpls-sim [SEEDS=N | SEED=S]  networks of transport nodes, likewise'
	@echo 'make asan                the unit tests and a short simulation under the sanitizers'
	@echo 'make fuzz [SECONDS=N]    feed each decoder random input for N seconds (default $(SECONDS))'
	@echo 'make lab-check           the tests on switches, routers and hypervisors in network namespaces (needs root)'
	@echo 'make check-modes         the same with fabrics of Ethernet and VPLS in all four combinations; 40 minutes'
	@echo 'make lint                formatting, static analysis, house rules'
	@echo 'make demo                make the lab and move two VMs in it; make demo-down removes it'
	@echo 'make demo MODE=ethernet,vpls  the same, from VLANs in A to MPLS in B; or any other pair, or one for both'
	@echo 'make bench               all measurements; make bench-ROW makes one row of them'
	@echo 'make clean               remove what was built'

deps:
	@tools/install-deps

build:
	@$(CHECK) build

layers: build
	@$(CHECK) layers

check: deps
	@$(CHECK) all

unit: build
	@$(CHECK) unit

sim: build
	@$(BUILD)/tests/sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

gmpls-sim: build
	@$(BUILD)/tests/gmpls_sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

lab-check: build
	@$(CHECK) lab-check

check-modes: build
	@$(CHECK) check-modes

asan:
	@$(CHECK) asan

fuzz:
	@$(CHECK) --seconds $(SECONDS) fuzz

lint:
	@$(PYTHON) tools/lint

demo: deps
	@$(CHECK) programs
	@demo/demo up --mode $(MODE)

demo-down:
	@demo/demo down

bench: build
	@bench/bench

bench-%: build
	@bench/bench $*

clean:
	@if [ -e build/lab ]; then lab/lab down; fi
	@if [ -e $(BUILD)/lab-vpls ]; then lab/lab --dir $(BUILD)/lab-vpls --prefix scvpls- down; fi
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz
