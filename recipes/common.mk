# Shared by all recipes. Targets are manifests, so `make` goes on where it stopped and `make -n` shows the plan.
#   BIN=DIR       where the executables are (default: the release build)
#   RUN='srun --gres=gpu:1 -c 16'   put before every heavy step
#   OUT=DIR       where results go (default: runs/ in the checkout)
#   FASHION=DIR, CIFAR10=DIR        where the data sets lie
ROOT    := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
BIN     ?= $(ROOT)/build/release/bin
OUT     ?= $(ROOT)/runs
RUN     ?=
FASHION ?= /usr/share/datasets/fashion-mnist
CIFAR10 ?= $(ROOT)/../shared/data/cifar10

.DELETE_ON_ERROR:

# $(call choice,VARIABLE,VALUES): what a recipe says once of a variable of its own that is none of so many words.
choice = $(if $(filter-out 1,$(words $($(1))))$(filter-out $(2),$($(1))),$(error $(1)=$($(1)): give one of: $(2)))
# $(call arms-known,PREFIX): each of ARMS is defined, as $(PREFIX)ARM.
arms-known = $(foreach a,$(ARMS),$(if $($(1)$(a)),,$(error ARMS: this recipe has no arm '$(a)')))

$(OUT)/data/fashion-mnist.json:
	@mkdir -p $(@D)
	$(BIN)/ssl-data fashion-mnist $(FASHION) -o $@ > /dev/null

$(OUT)/data/cifar10.json:
	@mkdir -p $(@D)
	$(BIN)/ssl-data cifar10 $(CIFAR10) -o $@ > /dev/null

# $(call part,SET,COUNT): so many images of a set's training split, stratified, as its split 'part'; $(eval $(call part-rule,...)) makes it.
part = $(OUT)/data/$(1)-part$(2).json
define part-rule
$(call part,$(1),$(2)): $(OUT)/data/$(1).json
	$$(BIN)/ssl-data split --count $(2) --name part -o $$@ $$< > /dev/null
endef
