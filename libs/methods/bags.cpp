#include "methods/bags.h"

#include "nn/bag_loss.h"
#include "nn/cutmix.h"
#include "nn/losses.h"

#include <cmath>
#include <numeric>

namespace selfsight::methods {

void BagMethod::describe(core::Options& o) {
  o.add("temperature", &bag_.temperature, "tau of InfoNCE").range(0.001, 10);
  o.add("queue", &bag_.queue, "|Q|, keys of anchors in the queue").range(1, 1 << 24);
  o.add("mates-per-sample", &bag_.mates, "M, nearest others in a bag; one is drawn a step").range(1, 10000);
  o.add("cross-from", &bag_.cross_from, "epoch, counted from 0, from which anchor and mate are drawn to each other's keys too").range(0);
  o.add("mix-alpha", &bag_.mix_alpha, "alpha of CutMix's Beta distribution; 0: without the mixture").range(0, 1000);
  o.add("shuffle-groups", &bag_.groups,
        "groups that queries are batch-normalised in, and where keys come from a moving average (hsa) those too, shuffled, as on as many "
        "GPUs")
      .range(1, 4096);
  o.group("Views");
  bag_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> BagMethod::views(std::int64_t image) const {
  auto specs = train::view_specs({bag_.view, bag_.view, bag_.view, bag_.view}, image);
  specs[2].of_mate = specs[3].of_mate = true;
  return specs;
}

void BagMethod::build_bags(const train::Setup& setup, torch::nn::Module& trained, std::int64_t dim, std::vector<double> level_weights) {
  nn::check_groups(bag_.groups, setup.batch, setup.ranks, "--shuffle-groups");
  if (bag_.groups > 1) nn::keep_norms_local(trained);
  nn::check_queue(bag_.queue, setup.samples);
  mates_ = register_module("mates", std::make_shared<train::Mates>(setup.samples, bag_.mates));
  weights_ = std::move(level_weights);
  for (std::size_t level = 0; level < weights_.size(); ++level)
    queues_.push_back(register_module("queue-" + std::to_string(level), std::make_shared<nn::Queue>(bag_.queue, dim)));
  purity_ = register_buffer("purity", torch::full({}, std::nan(""), torch::kFloat64));
}

train::Outcome BagMethod::step(const train::Views& views, const train::Progress& progress) {
  const auto levels = static_cast<std::int64_t>(weights_.size());
  const auto by_level = [&](const torch::Tensor& x) {
    std::vector<torch::Tensor> out;
    for (const auto& level : x.chunk(levels, 1)) out.push_back(nn::unit_rows(level));
    return out;
  };
  const auto anchor = by_level(queries(views.x[0])), mate = by_level(queries(views.x[2]));
  std::vector<torch::Tensor> mix(anchor.size());
  nn::BagWeights weights;
  if (bag_.mix_alpha > 0) {
    core::Rng rng(
        static_cast<std::uint64_t>(torch::randint(std::numeric_limits<std::int64_t>::max(), {}, torch::kInt64).item<std::int64_t>()),
        core::Stream::step);
    const auto mixed = nn::cut_mix(views.x[0], views.x[2], bag_.mix_alpha, rng);
    mix = by_level(queries(mixed.images));
    weights.kept = mixed.kept;
  }
  std::vector<torch::Tensor> key_anchor, key_mate;
  {
    const torch::NoGradGuard no_grad;
    key_anchor = by_level(keys(views.x[1]));
    key_mate = by_level(keys(views.x[3]));
  }
  if (progress.epoch() >= bag_.cross_from) weights.own = weights.other = 0.5;

  train::Outcome out;
  for (std::size_t level = 0; level < anchor.size(); ++level) {
    const torch::Tensor loss = nn::bag_loss({anchor[level], mate[level], mix[level]}, key_anchor[level], key_mate[level],
                                            queues_[level]->rows(), weights, bag_.temperature);
    out.loss = level == 0 ? weights_[0] * loss : out.loss + weights_[level] * loss;
    if (level > 0) out.scalars["loss level " + std::to_string(level)] = loss.detach();
    queues_[level]->stage(key_anchor[level]);
  }
  out.embedding = anchor[0];
  out.uniform_loss = std::accumulate(weights_.begin(), weights_.end(), 0.0) * std::log(static_cast<double>(bag_.queue) + 1.0);
  out.scalars["mates of one label"] = purity_;
  return out;
}

data::EpochPlan BagMethod::plan(data::EpochPlan proposed, std::uint64_t seed, std::int64_t epoch) const {
  mates_->draw(proposed, seed, epoch);
  return proposed;
}

void BagMethod::find_mates(const train::EpochContext& context, nn::Backbone& network) {
  const auto all = context.embed_all(network, "pooled", "features for mates");
  context.timed("finding mates", [&] { mates_->find(all.features); });
  purity_.fill_(mates_->purity(all.labels));
}

void BagMethod::after_update(const train::Progress&) {
  for (const auto& queue : queues_) queue->commit();
}

void BagMethod::after_skip(const train::Progress&) {
  for (const auto& queue : queues_) queue->discard();
}

}  // namespace selfsight::methods
