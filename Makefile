# The commands of this checkout. `make lab` and `make test` install by themselves what they need (see `make doctor`).

LAB ?= lab
INVENTORY ?= inventories/lab/hosts.yml
NODE ?= network
GUEST ?=
ANSIBLE_ARGS ?=
PYTEST_ARGS ?=
MOLECULE_ARGS ?= test --all

MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python
# Without LAB=… the inventory itself names the lab.
OTHER_LAB := $(if $(filter file,$(origin LAB)),,--extra-vars=tenantnet_lab=$(LAB))
PLAYBOOK := .venv/bin/ansible-playbook --inventory=$(INVENTORY) $(OTHER_LAB) $(ANSIBLE_ARGS)
AS_ROOT := scripts/as-root "to work with network namespaces"

BOX := build/vms/tenantnet.box
VM_PACKAGES := debootstrap extlinux fdisk libvirt-clients libvirt-daemon-driver-qemu libvirt-daemon-system openssh-client \
	qemu-system-x86 qemu-utils syslinux-common vagrant vagrant-libvirt

.DEFAULT_GOAL := help
.PHONY: help doctor lab destroy shell test molecule test-vms box vm-packages gates lint types ansible-lint docs sanity unit \
	golden wheels clean venv dev

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

doctor: ## what this machine has and what would be installed; changes nothing
	@scripts/python scripts/doctor.py

lab: venv ## lab up, topology deployed and verified; again: only what differs
	@$(AS_ROOT) $(PLAYBOOK) playbooks/lab.yml playbooks/site.yml playbooks/verify.yml

destroy: venv ## the lab is gone
	@$(AS_ROOT) $(PLAYBOOK) playbooks/destroy.yml

shell: venv ## NODE=network [GUEST=demo/instance1]: a shell there
	@$(AS_ROOT) $(PYTHON) -m ansible_collections.tenantnet.ovs.plugins.module_utils.lab.shell \
		--lab '$(LAB)' --node '$(NODE)' $(if $(GUEST),--guest '$(GUEST)')

test: dev ## all gates and tests, on labs of their own names, two things at a time
	@$(MAKE) --jobs=2 molecule gates
	@$(AS_ROOT) $(PYTHON) -m pytest -p no:cacheprovider --numprocesses=2 --dist=loadscope $(PYTEST_ARGS)

molecule: dev ## each role alone and the whole, on a lab of their own
	@$(AS_ROOT) env PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/molecule $(MOLECULE_ARGS) --no-command-borders

test-vms: wheels vm-packages $(BOX) ## the example on emulated virtual machines; not part of test
	@$(AS_ROOT) scripts/with-vagrant build/vms scripts/test-vms

box: $(BOX) ## a box for Vagrant and libvirt, made of Debian packages

$(BOX): scripts/build-box bindep.txt $(shell find scripts/box -type f) | vm-packages
	@scripts/as-root "to build the box" scripts/build-box

vm-packages:
	@scripts/bootstrap control $(VM_PACKAGES)

gates: lint types ansible-lint docs sanity ## everything but the tests

lint: dev ## ruff
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --quiet --check

types: dev ## mypy
	@.venv/bin/mypy --no-error-summary

ansible-lint: dev ## playbooks and roles
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/ansible-lint -q

docs: dev ## documentation of modules, plugins and roles; changelog fragments
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/antsibull-docs lint-collection-docs --plugin-docs .
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/antsibull-changelog lint

sanity: dev ## ansible-test sanity
	@scripts/sanity

unit: dev ## the tests that need no root
	@$(PYTHON) -m pytest tests/unit $(PYTEST_ARGS)

golden: dev ## write what the unit tests expect, schemas/ and the generated pages of docs/ among it; then read the diff
	@$(PYTHON) -m pytest tests/unit --update-golden $(PYTEST_ARGS)

wheels: venv ## what a node's own Python needs, in build/wheels: for nodes that reach no package index (tenantnet_wheels)
	@$(PYTHON) -m pip wheel -qq --disable-pip-version-check --wheel-dir build/wheels -r roles/runtime/files/requirements.txt

clean: ## what was cached is gone: build/, and the root of machines that systemd runs
	@$(AS_ROOT) rm -rf build /var/cache/tenantnet

venv: ## Debian packages and .venv for the lab
	@scripts/bootstrap control

dev: ## the same with what the gates need
	@scripts/bootstrap dev
