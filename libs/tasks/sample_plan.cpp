#include "tasks/sample_plan.h"

#include "core/error.h"
#include "core/log.h"
#include "core/rng.h"
#include "data/plan.h"
#include "manifest/payload.h"
#include "nn/kmeans.h"
#include "nn/losses.h"
#include "nn/state.h"
#include "train/mates.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <numeric>

namespace selfsight::tasks {

namespace {

struct Table {
  torch::Tensor features;            ///< N x D
  std::vector<std::int64_t> labels;  ///< N, -1 unknown
};

std::vector<std::int64_t> integers(const torch::Tensor& x) {
  const torch::Tensor plain = x.to(torch::kInt64).contiguous();
  return {plain.const_data_ptr<std::int64_t>(), plain.const_data_ptr<std::int64_t>() + plain.numel()};
}

Table read_features(const manifest::Features& features) {
  const auto file = manifest::checked_payload(features.data, "features", features.origin);
  auto tensors = nn::load_tensors(file);
  if (!tensors.contains("features") || tensors.at("features").dim() != 2)
    core::fail(core::Exit::bad_data, "{}: holds no table 'features'", file.string());
  Table table{tensors.at("features"), {}};
  const std::int64_t count = table.features.size(0);
  if (count < 2) core::fail(core::Exit::bad_data, "{}: a plan needs two samples at least, there are {}", file.string(), count);
  table.labels =
      tensors.contains("labels") ? integers(tensors.at("labels")) : std::vector<std::int64_t>(static_cast<std::size_t>(count), -1);
  if (tensors.contains("index") && !tensors.at("index").equal(torch::arange(count)))
    core::fail(core::Exit::bad_data, "{}: some samples of the split are left out; a plan has to cover all of them", features.origin);
  return table;
}

/// The envelope of a plan over the split of `features`, with its tables written.
manifest::Plan write_plan(const manifest::Features& features, const manifest::fs::path& payload, const nn::State& tables) {
  manifest::Plan plan;
  plan.split = features.split;
  plan.dataset = features.dataset;
  plan.data.path = payload;
  plan.data.digest = nn::save_tensors(payload, tables);
  return plan;
}

std::vector<std::int64_t> identity(std::size_t count) {
  std::vector<std::int64_t> out(count);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

}  // namespace

void BatchesOptions::describe(core::Options& o) {
  o.add("by", &by,
        "samples of different clusters (or labels) in a batch, for as long as the smallest one lasts; random batches; or one cluster a "
        "batch")
      .choices({"clusters", "labels", "random", "single-cluster"});
  o.add("within", &within,
        "in which order the samples of a cluster are taken: shuffled by --seed, or that of the split, as released (for splits that are "
        "stored in random order; where they are stored by class, batches become of one class)")
      .choices({"shuffled", "index"});
  o.add("batch", &batch, "B, samples a batch; the run's --batch").range(2, 1 << 20);
  o.add("clusters", &clusters, "k of k-means; 0: B").range(0, 1 << 24).only_with("by", {"clusters", "single-cluster"});
  o.add("iterations", &iterations, "most rounds of k-means").range(1, 100000).only_with("by", {"clusters", "single-cluster"});
  o.add("redraw", &redraw, "draw the order inside each cluster anew every epoch, instead of the same batches every time");
  o.add("seed", &seed, "of k-means and of all that is shuffled");
}

void MatesOptions::describe(core::Options& o) {
  o.add("by", &by, "the nearest others, or others of the same cluster of k-means, drawn at random").choices({"neighbours", "clusters"});
  o.add("per-sample", &per_sample, "M, mates of each sample").range(1, 10000);
  o.add("clusters", &clusters, "k of k-means; 0: one for ten times as many samples as --per-sample says")
      .range(0, 1 << 24)
      .only_with("by", {"clusters"});
  o.add("iterations", &iterations, "most rounds of k-means").range(1, 100000).only_with("by", {"clusters"});
  o.add("seed", &seed, "of k-means and of the draws").only_with("by", {"clusters"});
}

double same_label_share(const std::vector<std::int64_t>& order, const std::vector<std::int64_t>& labels, std::int64_t batch) {
  double same = 0, all = 0;
  for (std::size_t begin = 0; begin + static_cast<std::size_t>(batch) <= order.size(); begin += static_cast<std::size_t>(batch)) {
    std::map<std::int64_t, double> of_label;
    for (std::size_t i = begin; i < begin + static_cast<std::size_t>(batch); ++i) ++of_label[labels[static_cast<std::size_t>(order[i])]];
    for (const auto& [label, count] : of_label) same += count * (count - 1);
    all += static_cast<double>(batch) * static_cast<double>(batch - 1);
  }
  return same / all;
}

manifest::Plan plan_batches(const manifest::Features& features, const BatchesOptions& options, const manifest::fs::path& payload) {
  const Table table = read_features(features);
  const auto count = static_cast<std::int64_t>(table.labels.size());
  if (count < options.batch) core::fail(core::Exit::usage, "--batch {}: the split has only {} samples", options.batch, count);
  const std::int64_t clusters = options.clusters > 0 ? options.clusters : options.batch;
  const bool labelled = std::none_of(table.labels.begin(), table.labels.end(), [](auto label) { return label < 0; });
  if (options.by == "labels" && !labelled)
    core::fail(core::Exit::bad_data, "{}: --by labels, but not all samples have one", features.origin);
  if (options.by == "single-cluster" && options.redraw)
    core::fail(core::Exit::usage, "--redraw: batches of a single cluster are not redrawn");

  std::vector<std::int64_t> groups(table.labels.size(), 0), order, shuffled = identity(groups.size());
  core::Rng(options.seed, core::Stream::shuffle).shuffle(shuffled);
  if (options.by == "labels") groups = table.labels;
  if (options.by == "clusters" || options.by == "single-cluster") {
    if (clusters > count) core::fail(core::Exit::usage, "--clusters {}: the split has only {} samples", clusters, count);
    groups = integers(nn::kmeans(table.features, clusters, options.iterations, options.seed).labels);
  }
  if (options.by == "random") {
    order = shuffled;
  } else if (options.by == "single-cluster") {
    order = options.within == "index" ? identity(groups.size()) : shuffled;
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return groups[static_cast<std::size_t>(a)] < groups[static_cast<std::size_t>(b)]; });
  } else {
    order = options.within == "index" ? data::guided_order(groups) : data::guided_order(groups, options.seed, 0);
  }

  auto plan = write_plan(features, payload, {{"order", torch::tensor(order)}, {"groups", torch::tensor(groups)}});
  plan.rule = options.by;
  plan.count = count;
  plan.batch = options.batch;
  plan.redraw = options.redraw;
  std::map<std::int64_t, std::int64_t> sizes;
  for (const auto group : groups) ++sizes[group];
  const auto smallest = std::min_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  plan.facts = {
      {"groups", sizes.size()}, {"smallest_group", smallest->second}, {"same_group_pairs", same_label_share(order, groups, options.batch)}};
  if (labelled) {
    const double share = same_label_share(order, table.labels, options.batch),
                 random = same_label_share(shuffled, table.labels, options.batch);
    plan.facts["same_label_pairs"] = share;
    plan.facts["same_label_pairs_random"] = random;
    if (options.by == "clusters" && share > 1.1 * random)
      core::log_warning("{:.1f} % of the pairs of a batch are of one label, more than the {:.1f} % of random batches: {}", 100 * share,
                        100 * random, options.within == "index" ? "is the split stored by class? --within shuffled" : "see the clusters");
  }
  return plan;
}

manifest::Plan plan_mates(const manifest::Features& features, const MatesOptions& options, const manifest::fs::path& payload) {
  const Table table = read_features(features);
  const std::int64_t count = table.features.size(0);
  train::Mates mates(count, options.per_sample);
  nlohmann::json facts = {{"per_sample", options.per_sample}};
  if (options.by == "neighbours") {
    mates.find(table.features);
  } else {
    const std::int64_t clusters = options.clusters > 0 ? options.clusters : std::max<std::int64_t>(1, count / (10 * options.per_sample));
    if (clusters > count) core::fail(core::Exit::usage, "--clusters {}: the split has only {} samples", clusters, count);
    const auto labels = nn::kmeans(nn::unit_rows(table.features), clusters, options.iterations, options.seed).labels;
    mates.of_label(labels, table.features, options.seed);
    facts["clusters"] = clusters;
    facts["smallest_cluster"] = labels.bincount({}, clusters).min().item<std::int64_t>();
  }
  auto plan = write_plan(features, payload, {{"mates", mates.table()}});
  plan.rule = options.by == "neighbours" ? "neighbours" : "same-cluster";
  plan.count = count;
  plan.facts = std::move(facts);
  if (const double purity = mates.purity(torch::tensor(table.labels)); !std::isnan(purity)) plan.facts["same_label_mates"] = purity;
  return plan;
}

}  // namespace selfsight::tasks
