#include "methods/interclr.h"

#include "core/log.h"
#include "nn/ema.h"
#include "nn/kmeans.h"
#include "nn/losses.h"
#include "nn/to_device.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace selfsight::methods {

void Interclr::describe(core::Options& o) {
  Moco::describe(o);
  o.group("InterCLR");
  o.add("intra-weight", &inter_.intra, "weight of MoCo's loss, within images").range(0, 1000);
  o.add("inter-weight", &inter_.inter, "weight of the loss between images; 0: MoCo v2 alone").range(0, 1000);
  o.add("clusters", &inter_.clusters, "K, clusters of the bank; 0: one for 128 images").range(0, 1 << 24);
  o.add("kmeans-iterations", &inter_.kmeans_iterations, "iterations when the whole set is clustered").range(0, 100000);
  o.add("pseudo-labels", &inter_.labels, "y: updated at every step, or by k-means before every epoch").choices({"online", "epoch"});
  o.add("bank-rate", &inter_.rate, "mu, weight of a new feature in the bank F; 1: it takes the place of the old one").range(0, 1);
  o.add("cluster-min", &inter_.smallest, "clusters with fewer members are dissolved").range(1, 1 << 24);
  o.add("centroid-every", &inter_.centroid_every, "steps from one computation of the centroids C to the next")
      .range(1, 1e9)
      .only_with("pseudo-labels", {"online"});
  o.add("small-every", &inter_.small_every, "steps from one search for small clusters to the next")
      .range(1, 1e9)
      .only_with("pseudo-labels", {"online"});
  o.add("negative-sampling", &inter_.negatives,
        "negatives: drawn from the most similar images, the most similar themselves, drawn from the least similar, drawn from all")
      .choices({"semi-hard", "hard", "semi-easy", "random"});
  o.add("negative-pool", &inter_.pool, "images that semi-hard and semi-easy negatives are drawn from; 0: a tenth of all")
      .range(0, 1 << 30)
      .only_with("negative-sampling", {"semi-hard", "semi-easy"});
  o.add("negatives", &inter_.count, "negatives of a query; 0: an eighth of the pool").range(0, 1 << 24);
  o.add("margin", &inter_.margin, "m, taken off the cosine of the positive; below 0: an easier positive").range(-2, 2);
  o.add("arc-margin", &inter_.arc_margin, "m_arc, added to the angle of the positive").range(-3, 3);
  o.add("separate-heads", &inter_.separate_heads, "the branch between images has a projection head of its own");
}

void Interclr::build(const train::Setup& setup) {
  const std::int64_t images = setup.samples;
  nn::check_queue(options_.queue, images);
  if (inter_.intra == 0 && inter_.inter == 0) core::fail(core::Exit::usage, "--intra-weight 0 and --inter-weight 0: there is no loss left");
  clusters_ = inter_.clusters > 0 ? inter_.clusters : std::max<std::int64_t>(2, images / 128);
  if (images < clusters_ * inter_.smallest)
    core::fail(core::Exit::usage, "--clusters {}: of at least {} images each (--cluster-min) they need {}, and there are {}{}", clusters_,
               inter_.smallest, clusters_ * inter_.smallest, images, inter_.clusters > 0 ? "; 0 makes one for 128 images" : "");
  pool_ = inter_.pool > 0 ? inter_.pool : std::max<std::int64_t>(1, images / 10);
  count_ = inter_.count > 0 ? inter_.count : std::max<std::int64_t>(1, pool_ / 8);
  const bool pooled = inter_.negatives == "semi-hard" || inter_.negatives == "semi-easy";
  if (pooled && pool_ > images)
    core::fail(core::Exit::usage, "--negative-pool {}: there are only {} images; 0 takes a tenth of them", pool_, images);
  if (const std::int64_t from = pooled ? pool_ : images; count_ > from)
    core::fail(core::Exit::usage, "--negatives {}: more than the {} images that they are drawn from{}; 0 takes an eighth of the pool",
               count_, from, pooled ? " (--negative-pool)" : "");
  core::log_info("{} clusters of {} images; {} {} negatives{}", clusters_, images, count_, inter_.negatives,
                 pooled ? fmt::format(" of a pool of {}", pool_) : "");

  Moco::build(setup);
  if (inter_.separate_heads) {
    query_head_ = register_module("query_head", std::make_shared<nn::Mlp>(query_->head->options()));
    key_head_ = register_module("key_head", std::make_shared<nn::Mlp>(query_->head->options()));
    nn::start_following(*key_head_, *query_head_);
  }
  nn::ClusterBankOptions bank{.samples = images, .dim = options_.dim, .clusters = clusters_, .rate = inter_.rate};
  bank.smallest = inter_.smallest;
  bank.centroid_every = inter_.centroid_every;
  bank.small_every = inter_.small_every;
  bank_ = register_module("bank", std::make_shared<nn::ClusterBank>(bank));
  classes_ = register_buffer("classes", torch::full({images}, -1, torch::kInt64));
  seed_ = setup.seed;
}

void Interclr::before_epoch(const train::EpochContext& context) {
  const bool online = inter_.labels == "online", first = !bank_->started();
  if (online && !first) return;
  const auto all = context.embed_all(*key_->backbone, "pooled", "embedding the images");
  const torch::NoGradGuard no_grad;
  nn::Mlp& head = key_head_ ? *key_head_ : *key_->head;
  const bool training = head.is_training();
  head.eval();
  std::vector<torch::Tensor> parts;
  for (const auto& part : all.features.split(4096))
    parts.push_back(nn::unit_rows(head.forward(part.to(classes_.device()))).to(torch::kCPU));
  head.train(training);
  const torch::Tensor features = torch::cat(parts);
  ranks().broadcast_(features);  // they cluster together, and ranks of other processors have other last bits
  torch::Tensor labels;
  context.timed("clustering the images", [&] {
    const std::uint64_t seed = seed_ + static_cast<std::uint64_t>(context.progress.epoch());
    labels = nn::kmeans(features, clusters_, inter_.kmeans_iterations, seed, ranks()).labels;
  });
  if (!first) {
    bank_->relabel(labels);
    return;
  }
  classes_.copy_(all.labels);
  bank_->start(features, labels);
  if (online) bank_->dissolve_small();
}

namespace {

/// Only the pooled features of a backbone, as what goes through in groups takes it.
struct Trunk {
  nn::Backbone& backbone;
  torch::Tensor forward(const torch::Tensor& x) const { return backbone.forward(x).pooled; }
};

/// cos(theta + angle) of cosines; see inter_loss().
torch::Tensor turned(const torch::Tensor& cosine, double angle) {
  const torch::Tensor sine = (1 - cosine.square()).clamp_min(1e-12).sqrt();  // its slope at 0 is infinite
  const torch::Tensor turned = cosine * std::cos(angle) - sine * std::sin(angle);
  if (angle < 0) return torch::where(cosine < std::cos(angle), turned, cosine + angle * std::sin(angle));
  return torch::where(cosine > std::cos(std::numbers::pi - angle), turned, cosine - angle * std::sin(angle));
}

}  // namespace

Negatives draw_negatives(const torch::Tensor& q, const torch::Tensor& y, const torch::Tensor& features, const torch::Tensor& labels,
                         const std::string& strategy, std::int64_t pool, std::int64_t count, const dist::Ranks& ranks) {
  constexpr int most_draws = 20;  // of one place: where a pool holds nothing but the query's label there is no end
  const torch::NoGradGuard no_grad;
  const nn::FullPrecision guard;
  const std::int64_t queries = q.size(0);
  const torch::Tensor own_label = y.unsqueeze(1);
  torch::Tensor likeness;
  if (strategy != "random") likeness = torch::matmul(q, features.t());
  if (strategy == "hard") {
    likeness.masked_fill_(labels.unsqueeze(0) == own_label, -std::numeric_limits<double>::infinity());
    const auto [value, index] = likeness.topk(count, 1);
    return {index, value.isfinite()};
  }
  torch::Tensor candidates, index;  // queries x pool
  // For each place of the whole batch, and of them a rank's own.
  const auto some = [&](std::int64_t below) {
    return nn::to_device(ranks.own_rows(torch::randint(below, {ranks.whole(queries), count}, torch::kInt64)), q.device());
  };
  if (strategy == "random") {
    index = some(features.size(0));
  } else {
    candidates =
        std::get<1>(likeness.topk(pool, 1, /*largest=*/strategy == "semi-hard", /*sorted=*/true));  // an order that no device changes
    index = candidates.gather(
        1, nn::to_device(ranks.own_rows(torch::multinomial(torch::ones({ranks.whole(queries), pool}), count)), q.device()));
  }
  const auto own = [&] { return labels.index_select(0, index.flatten()).view_as(index) == own_label; };
  torch::Tensor wrong = own();
  for (int draw = 0; draw < most_draws && wrong.any().item<bool>(); ++draw) {
    torch::Tensor fresh = some(candidates.defined() ? pool : features.size(0));
    if (candidates.defined()) fresh = candidates.gather(1, fresh);
    index = torch::where(wrong, fresh, index);
    wrong = own();
  }
  return {index, ~wrong};
}

torch::Tensor inter_loss(const torch::Tensor& q, const torch::Tensor& positives, const torch::Tensor& negatives,
                         const torch::Tensor& allowed, double tau, double margin, double arc_margin) {
  const nn::FullPrecision guard;
  torch::Tensor positive = (q * positives).sum(1, /*keepdim=*/true);
  if (arc_margin != 0) positive = turned(positive, arc_margin);
  const torch::Tensor others =
      torch::bmm(negatives, q.unsqueeze(2)).squeeze(2).masked_fill(~allowed, -std::numeric_limits<double>::infinity());
  return -torch::log_softmax(torch::cat({positive - margin, others}, 1) / tau, 1).select(1, 0).mean();
}

std::pair<Interclr::Pair, Interclr::Pair> Interclr::encode_both(const torch::Tensor& a, const torch::Tensor& b,
                                                                const train::Progress& progress) {
  if (!query_head_) {
    const Pair pair = encode(a, b, progress);
    return {pair, pair};
  }
  // As Moco::encode(), but one pass of the backbone serves two heads.
  Trunk query{*query_->backbone}, key{*key_->backbone};
  const torch::Tensor seen = nn::forward_in_groups(query, a, options_.shuffle_groups, ranks());
  Pair within{query_->head->forward(seen), {}}, between{query_head_->forward(seen), {}};
  const torch::NoGradGuard no_grad;
  const torch::Tensor past = nn::forward_in_shuffled_groups(key, b, options_.shuffle_groups, ranks());
  within.key = nn::unit_rows(key_->head->forward(past));
  between.key = nn::unit_rows(key_head_->forward(past));
  queue_->stage(within.key);
  return {within, between};
}

torch::Tensor Interclr::between_images(const torch::Tensor& query, const torch::Tensor& samples) const {
  const torch::Tensor q = nn::unit_rows(query), y = bank_->labels().index_select(0, samples);
  const torch::Tensor positives = bank_->features().index_select(0, bank_->draw_members(y));
  const auto negatives = draw_negatives(q, y, bank_->features(), bank_->labels(), inter_.negatives, pool_, count_, ranks());
  const torch::Tensor rows = bank_->features().index_select(0, negatives.index.flatten()).view({q.size(0), count_, q.size(1)});
  return inter_loss(q, positives, rows, negatives.allowed, options_.temperature, inter_.margin, inter_.arc_margin);
}

train::Outcome Interclr::step(const train::Views& views, const train::Progress& progress) {
  const auto [within, between] = encode_both(views.x.at(0), views.x.at(1), progress);
  train::Outcome out = Moco::compare(within, progress);
  out.scalars["intra_loss"] = out.loss.detach();
  out.loss = inter_.intra * out.loss;
  out.uniform_loss *= inter_.intra;
  if (inter_.inter > 0) {
    const torch::Tensor loss = between_images(between.query, views.samples);
    out.scalars["inter_loss"] = loss.detach();
    out.loss = out.loss + inter_.inter * loss;
    out.uniform_loss += inter_.inter * std::log1p(static_cast<double>(count_) * std::exp(inter_.margin / options_.temperature));
  }
  out.scalars["changed_labels"] = bank_->stage(views.samples, between.key, /*keep_labels=*/inter_.labels == "epoch");
  if (bank_->centroids_due()) {  // not at every step: they look at the whole bank
    const torch::Tensor sizes = bank_->sizes();
    out.scalars["smallest_cluster"] = sizes.min();
    out.scalars["largest_cluster"] = sizes.max();
    out.scalars["label_purity"] = torch::tensor(nn::purity(bank_->labels(), classes_), torch::kFloat64);
  }
  return out;
}

void Interclr::after_update(const train::Progress& progress) {
  Moco::after_update(progress);
  if (key_head_) nn::ema_update(*key_head_, *query_head_, options_.momentum);
  bank_->commit();
}

void Interclr::after_skip(const train::Progress& progress) {
  Moco::after_skip(progress);
  bank_->discard();
}

namespace {

/// MoCo's, with counts that follow from the number of images.
nlohmann::json small() {
  nlohmann::json values = moco_small();
  values.update({{"clusters", 0}, {"negative-pool", 0}, {"negatives", 0}});
  return values;
}

const bool registered = train::MethodRegistry::instance().add(
    "interclr", {.title = "InterCLR",
                 .paper = "Xie et al., Delving into Inter-Image Invariance for Unsupervised Visual Representations, IJCV 2022, arXiv "
                          "2008.11702",
                 .summary = "MoCo v2 with a second branch, whose positives are other images of the same cluster, kept up to date online.",
                 .needs = "two views; a bank with a row for each image, clustered before the first step",
                 .cost = "1.6 x the time, 0.9 x the memory",
                 .profiles = {{"published", moco_published()}, {"small", small()}},
                 .make = [] { return std::make_shared<Interclr>(); }});
}  // namespace

}  // namespace selfsight::methods
