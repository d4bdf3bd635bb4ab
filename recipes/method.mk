# One pre-training method on Fashion-MNIST and CIFAR-10. A recipe sets METHOD (and ARGS) and includes this.
#   make -C recipes/swav                          both data sets, the size that two CPU cores afford
#   make -C recipes/swav SCALE=full DEVICE=cuda   ResNet-18, 200 epochs
#   make -C recipes/swav DATASETS=cifar10 SEEDS="0 1 2" RUN="srun --gres=gpu:1"
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

DATASETS ?= fashion-mnist cifar10
SEEDS    ?= 0
SCALE    ?= small
DEVICE   ?= cpu
ARGS     ?=
$(call choice,SCALE,small full)
# small: minutes on two cores. full: the profile as it is (ResNet-18 with CIFAR stem, 200 epochs).
BACKBONE ?= --arch resnet10 --stem stride2 --width 0.25
small    := $(BACKBONE) --images 20000 --epochs 10 --warmup-epochs 1
full     :=

results  := $(OUT)/$(METHOD)-$(SCALE)
arms     := $(foreach d,$(DATASETS),$(foreach s,$(SEEDS),$(d)-seed$(s)))
.DEFAULT_GOAL := report
.PHONY: models judged report
models: $(foreach a,$(arms),$(results)/$(a)/model.json)
judged: $(foreach a,$(arms),$(results)/$(a)/linear/metrics.json)
report: $(results)/report.html
	@echo "The report is $<"

define arm
$(results)/$(1)-seed$(2)/model.json: $(OUT)/data/$(1).json
	$$(RUN) $$(BIN)/ssl-pretrain $$(METHOD) --profile small $$($$(SCALE)) --device $$(DEVICE) $$(ARGS) --seed $(2) -o $$(@D) $$< > /dev/null
endef
$(foreach d,$(DATASETS),$(foreach s,$(SEEDS),$(eval $(call arm,$(d),$(s)))))

$(results)/%/linear/metrics.json: $(results)/%/model.json
	$(RUN) $(BIN)/ssl-linear --protocol knn,few-labels --labels 1% --draws 3 --knn-k 20 --baseline pixels,untrained --device $(DEVICE) -o $(@D) $< > /dev/null

$(results)/report.html: $(foreach a,$(arms),$(results)/$(a)/linear/metrics.json)
	$(BIN)/ssl-report --force --table $(@D)/table.md -o $@ $^ > /dev/null
