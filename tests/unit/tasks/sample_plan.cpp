// Plans from features: clusters, labels, shares of pairs, and what cannot be planned.
#include "tasks/sample_plan.h"

#include "data/plan_file.h"
#include "nn/state.h"
#include "unit/support.h"

using namespace selfsight;
using test::Folder;

namespace {

/// Features of `each` samples around each of `blobs` corners, dealt in turn; the label is the blob.
manifest::Features blobs(const Folder& folder, std::int64_t blobs, std::int64_t each, bool labelled = true) {
  torch::manual_seed(0);
  const torch::Tensor label = torch::arange(blobs).repeat({each});
  manifest::Features features;
  features.origin = "features.json";
  features.split = "train";
  features.layer = "pooled";
  features.count = blobs * each;
  features.dim = blobs;
  features.data.path = folder / "features.safetensors";
  nn::State tables = {{"features", torch::eye(blobs).index_select(0, label) * 8 + 0.2 * torch::rand({blobs * each, blobs})},
                      {"index", torch::arange(blobs * each)}};
  tables["labels"] = labelled ? label : torch::full_like(label, -1);
  features.data.digest = nn::save_tensors(features.data.path, tables);
  return features;
}

}  // namespace

TEST_CASE("clusters of separated blobs give batches of one of each; a single cluster a batch is the opposite") {
  const Folder folder;
  const auto features = blobs(folder, 8, 6);
  tasks::BatchesOptions options;
  options.batch = 8;
  auto plan = tasks::plan_batches(features, options, folder / "plan.safetensors");
  CHECK(plan.facts.at("groups") == 8);
  CHECK(plan.facts.at("smallest_group") == 6);
  CHECK(plan.facts.at("same_label_pairs") == 0.0);
  const double random = plan.facts.at("same_label_pairs_random").get<double>();
  CHECK(random > 0.03);
  CHECK(random < 0.3);
  core::write_atomically(folder / "plan.json", manifest::to_json(plan, folder.path()).dump());
  CHECK(data::read_batches((folder / "plan.json").string(), {}, 48, 8).order.size() == 48);

  options.by = "labels";
  CHECK(tasks::plan_batches(features, options, folder / "labels.safetensors").facts.at("same_label_pairs") == 0.0);
  options.by = "single-cluster";
  options.batch = 6;
  options.clusters = 8;
  CHECK(tasks::plan_batches(features, options, folder / "single.safetensors").facts.at("same_label_pairs") == 1.0);
  options.by = "random";
  CHECK(tasks::plan_batches(features, options, folder / "random.safetensors").facts.at("groups") == 1);
}

TEST_CASE("a split that is stored by class: clusters that know nothing of the labels give batches as mixed as random ones") {
  const Folder folder;
  auto features = blobs(folder, 16, 60);  // blob and place in the split have nothing to do with each other; labels rise with the place
  auto tables = nn::load_tensors(features.data.path);
  tables["labels"] = torch::arange(960).floor_divide(96);
  features.data.digest = nn::save_tensors(features.data.path, tables);
  for (const char* by : {"clusters", "single-cluster"}) {
    CAPTURE(by);
    const tasks::BatchesOptions mixed{.by = by, .batch = 16}, by_index{.by = by, .batch = 16, .within = "index"};
    const auto facts = tasks::plan_batches(features, mixed, folder / "mixed.safetensors").facts;
    const double random = facts.at("same_label_pairs_random").get<double>();
    CHECK(facts.at("same_label_pairs").get<double>() == doctest::Approx(random).epsilon(0.15));
    // As released: the first of every cluster are all of the first class.
    CHECK(tasks::plan_batches(features, by_index, folder / "index.safetensors").facts.at("same_label_pairs").get<double>() > 2 * random);
  }
  tasks::BatchesOptions other{.by = "clusters", .batch = 16};
  const auto order = [&](std::uint64_t seed) {
    other.seed = seed;
    static_cast<void>(tasks::plan_batches(features, other, folder / "seed.safetensors"));
    return nn::load_tensors(folder / "seed.safetensors").at("order");
  };
  const torch::Tensor first = order(1);
  CHECK(first.equal(order(1)));
  CHECK_FALSE(first.equal(order(2)));
}

TEST_CASE("the share of pairs of one label, by hand") {
  // Batches {0, 0, 1} and {1, 1, 1}: 1 of 3 and 3 of 3 pairs; the last sample is no whole batch.
  CHECK(tasks::same_label_share({0, 1, 2, 3, 4, 5, 6}, {0, 0, 1, 1, 1, 1, 0}, 3) == doctest::Approx(4.0 / 6));
}

TEST_CASE("mates of blobs are of their own blob") {
  const Folder folder;
  const auto plan = tasks::plan_mates(blobs(folder, 8, 6), {.per_sample = 5}, folder / "mates.safetensors");
  CHECK(plan.facts.at("same_label_mates") == 1.0);
  core::write_atomically(folder / "mates.json", manifest::to_json(plan, folder.path()).dump());
  CHECK(data::read_mates((folder / "mates.json").string(), {}, 48).per_sample == 5);
  const auto bags = tasks::plan_mates(blobs(folder, 8, 6), {.by = "clusters", .per_sample = 5, .clusters = 8}, folder / "bags.safetensors");
  CHECK(bags.facts.at("same_label_mates") == 1.0);
  CHECK(bags.facts.at("smallest_cluster") == 6);
  core::write_atomically(folder / "bags.json", manifest::to_json(bags, folder.path()).dump());
  CHECK(data::read_mates((folder / "bags.json").string(), {}, 48).per_sample == 5);
}

TEST_CASE("what cannot be planned says why") {
  const Folder folder;
  const auto features = blobs(folder, 4, 3, /*labelled=*/false);
  const auto message = [&](const tasks::BatchesOptions& options) -> std::string {
    try {
      static_cast<void>(tasks::plan_batches(features, options, folder / "x.safetensors"));
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message({.by = "clusters", .batch = 64}).find("--batch 64: the split has only 12") != std::string::npos);
  CHECK(message({.by = "clusters", .batch = 4, .clusters = 13}).find("--clusters 13") != std::string::npos);
  CHECK(message({.by = "labels", .batch = 4}).find("not all samples have one") != std::string::npos);
  CHECK(message({.by = "single-cluster", .batch = 4, .redraw = true}).find("--redraw") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "x.safetensors"));
  CHECK(!tasks::plan_batches(features, {.by = "clusters", .batch = 4}, folder / "x.safetensors").facts.contains("same_label_pairs"));
}
