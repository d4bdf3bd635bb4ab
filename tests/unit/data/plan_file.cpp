// Plan manifests as runs read them: what they must hold, and for which data set.
#include "data/plan_file.h"

#include "manifest/safetensors.h"
#include "unit/support.h"

#include <numeric>

using namespace selfsight;
using test::Folder;
using Indices = std::vector<std::int64_t>;

namespace {

manifest::TensorView view(const Indices& values, std::vector<std::int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  return {"I64", std::move(shape), std::as_bytes(std::span(values))};
}

manifest::Split split_of(const std::string& digest) {
  manifest::Split split;
  split.format = "idx";
  split.root = "/data";
  split.count = 6;
  split.digest = digest;
  return split;
}

struct Written {
  Folder folder;
  manifest::Plan plan;
  Written() {
    plan.rule = "clusters";
    plan.split = "train";
    plan.count = 6;
    plan.batch = 2;
    manifest::Dataset dataset;
    dataset.name = "tiny";
    dataset.splits["train"] = split_of("sha256:1");
    plan.dataset = manifest::to_json(dataset, "");
  }
  std::string write(const std::map<std::string, manifest::TensorView>& tables) {
    plan.data.path = folder / "plan.safetensors";
    plan.data.digest = manifest::write_safetensors(plan.data.path, tables);
    core::write_atomically(folder / "plan.json", manifest::to_json(plan, folder.path()).dump());
    return (folder / "plan.json").string();
  }
};

}  // namespace

TEST_CASE("a plan of batches comes back, static or drawn anew every epoch") {
  Written written;
  const Indices order = {5, 3, 1, 0, 2, 4}, groups = {0, 1, 0, 1, 0, 1};
  auto plan = data::read_batches(written.write({{"order", view(order)}, {"groups", view(groups)}}), split_of("sha256:1"), 6, 2);
  CHECK(plan.order == order);
  CHECK(plan.epoch(1, 0).at(1).at(0).sample == 1);
  CHECK(plan.epoch(1, 0).size() == 3);
  plan.redraw = true;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch)
    for (const auto& batch : plan.epoch(1, epoch))
      CHECK(groups[static_cast<std::size_t>(batch.at(0).sample)] != groups[static_cast<std::size_t>(batch.at(1).sample)]);
}

TEST_CASE("a plan that does not fit is refused with the reason") {
  Written written;
  const Indices order = {5, 3, 1, 0, 2, 4}, groups = {0, 1, 0, 1, 0, 1}, twice = {5, 3, 1, 1, 2, 4}, outside = {5, 3, 1, 0, 2, 6},
                some = {5, 3, 1, 0};
  const auto file = written.write({{"order", view(order)}, {"groups", view(groups)}});
  const auto read = [&](const std::string& digest, std::int64_t samples, std::int64_t batch) {
    return [=] { data::read_batches(file, split_of(digest), samples, batch); };
  };
  CHECK(test::contains(test::error_of(core::Exit::bad_data, read("sha256:2", 6, 2)), "made for another data set"));
  CHECK(test::contains(test::error_of(core::Exit::usage, read("sha256:1", 6, 3)), "--batch 3: the plan"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, read("sha256:1", 4, 2)), "made for 6 samples, but the run has 4 (of --images"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { data::read_mates(file, split_of("sha256:1"), 6); }),
                       "a plan of batches, where one of mates"));

  const auto with = [&](const Indices& bad) {
    const auto path = written.write({{"order", view(bad)}, {"groups", view(groups)}});
    return [=] { data::read_batches(path, split_of("sha256:1"), 6, 2); };
  };
  CHECK(test::contains(test::error_of(core::Exit::bad_data, with(twice)), "sample 1 is there twice"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, with(outside)), "sample 6 is not one of the split's"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, with(some)), "does not cover the split: 4 of 6 samples"));
  written.write({{"order", view(order)}, {"groups", view(groups)}});
  core::write_atomically(written.folder / "plan.safetensors", "damaged");
  CHECK(test::contains(test::error_of(core::Exit::bad_data, read("sha256:1", 6, 2)), "plan.safetensors"));
}

TEST_CASE("a plan of mates comes back, unless one is no other sample") {
  Written written;
  written.plan.rule = "neighbours";
  written.plan.batch = 0;
  Indices mates = {1, 2, 0, 2, 0, 1, 4, 5, 3, 5, 3, 4};
  const auto path = written.write({{"mates", view(mates, {6, 2})}});
  const auto table = data::read_mates(path, split_of("sha256:1"), 6);
  CHECK(table.per_sample == 2);
  CHECK(table.mates == mates);
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { data::read_batches(path, split_of("sha256:1"), 6, 2); }),
                       "a plan of mates, where"));
  mates[4] = 2;
  written.write({{"mates", view(mates, {6, 2})}});
  CHECK(
      test::contains(test::error_of(core::Exit::bad_data, [&] { data::read_mates(path, split_of("sha256:1"), 6); }), "the sample itself"));
  mates[4] = 6;
  written.write({{"mates", view(mates, {6, 2})}});
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { data::read_mates(path, split_of("sha256:1"), 6); }),
                       "not one of the split's"));
}
