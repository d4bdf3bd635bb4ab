# A comparison: several arms on the same images, with the same budget and seeds, judged alike, on one report page. A recipe sets
#   NAME := hsa                     where its results lie: $(OUT)/hsa-$(SCALE)/ARM-seedS/
#   ARMS := moco hsa                the arms, the baseline first
#   arm-hsa = hsa --stages layer3   what ssl-pretrain gets for each: METHOD and options ($(1) is the seed)
#   needs-hsa = FILE                manifests that an arm waits for ($(1) is the seed); may be left out
# and includes this.
#   make -C recipes/hsa                                        minutes an arm on two CPU cores
#   make -C recipes/hsa SCALE=full DEVICE=cuda                 the profile `small` as it is: ResNet-18, 200 epochs
#   make -C recipes/hsa SEEDS="0 1" ARMS="hsa moco" RUN="srun --gres=gpu:1"
#   make -C recipes/hsa PART=2048 ARGS="--queue 512"           ARGS: further options of ssl-pretrain, for all arms (a queue must fit the images)
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

DATASET ?= cifar10
SEEDS   ?= 0 1 2
SCALE   ?= small
DEVICE  ?= cpu
ARGS    ?=
$(call choice,SCALE,small full)
$(call choice,DATASET,fashion-mnist cifar10)
$(call arms-known,arm-)
$(if $(DATASETS),$(error DATASETS: a comparison is on one DATASET))
# small: 10,000 images of the training split, stratified, 10 epochs; a ResNet-10 of a quarter of the width. full: the profile as it is.
PART     ?= $(if $(filter full,$(SCALE)),50000,10000)
EPOCHS   ?= $(if $(filter small,$(SCALE)),10)
BACKBONE ?= --arch resnet10 --stem stride2 --width 0.25
small    ?= --split part $(BACKBONE) --epochs $(EPOCHS) --warmup-epochs 1
full     ?= --split part $(if $(EPOCHS),--epochs $(EPOCHS))
JUDGE    ?= --protocol knn,few-labels --labels 1% --draws 3 --knn-k 20 --baseline untrained

results := $(OUT)/$(NAME)-$(SCALE)
data    := $(call part,$(DATASET),$(PART))
judged  := $(foreach a,$(ARMS),$(foreach s,$(SEEDS),$(results)/$(a)-seed$(s)/linear/metrics.json))
.DEFAULT_GOAL := report
.PHONY: models judged report
models: $(judged:%/linear/metrics.json=%/model.json)
judged: $(judged)
report: $(results)/report.html
	@echo "The report is $<"

$(eval $(call part-rule,$(DATASET),$(PART)))

# $(call pretrain,FOLDER,SEED,METHOD and options): the commands of one run.
# What the arm says comes last and wins.
pretrain = $(RUN) $(BIN)/ssl-pretrain $(firstword $(3)) --profile small $($(SCALE)) --device $(DEVICE) --seed $(2) \
  $(wordlist 2,99,$(3)) -o $(1) $(data) > /dev/null

define arm
$(results)/$(1)-seed$(2)/model.json: $(data) $(call needs-$(1),$(2))
	$$(call pretrain,$$(@D),$(2),$$(call arm-$(1),$(2)) $$(ARGS))
endef
$(foreach a,$(ARMS),$(foreach s,$(SEEDS),$(eval $(call arm,$(a),$(s)))))

$(results)/%/linear/metrics.json: $(results)/%/model.json
	$(RUN) $(BIN)/ssl-linear $(JUDGE) --device $(DEVICE) -o $(@D) $< > /dev/null

$(results)/report.html: $(judged)
	$(BIN)/ssl-report --force --table $(@D)/table.md -o $@ $^ > /dev/null
