# make demo    set up, build, pre-train on real images, judge, write a report to look at
# make test    set up, build, run every test (TESTS=2 at once)
# make build   set up and build (PRESET=release|debug|asan|tsan|cuda)
# make bench   ratios against peers and floors (nothing is asserted)
# make lint    clang-format and clang-tidy
PRESET ?= release
BUILD  := build/$(PRESET)
JOBS   ?= $(shell nproc)
TESTS  ?= 2

.PHONY: demo test build setup bench lint format clean help
help:
	@sed -n '1,5s/^# //p' Makefile

setup:
	@CUDA=$(if $(filter cuda,$(PRESET)),1,0) third_party/setup

build: setup
	@cmake --preset $(PRESET) -Wno-dev > /dev/null || cmake --preset $(PRESET)
	@cmake --build $(BUILD) -j $(JOBS)

demo: build
	@$(MAKE) --no-print-directory -C recipes/demo BIN=$(CURDIR)/$(BUILD)/bin

test: build
	@cd $(BUILD) && ctest -j $(TESTS) --output-on-failure

bench: build
	@tests/bench/run $(BUILD)

lint: setup
	@third_party/setup --dev
	@tests/lint $(BUILD)

format:
	@git ls-files '*.h' '*.cpp' '*.cu' | xargs clang-format-14 -i

clean:
	rm -rf build
