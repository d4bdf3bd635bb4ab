#include "nn/cluster_bank.h"

#include "core/error.h"
#include "nn/kmeans.h"
#include "nn/losses.h"
#include "nn/to_device.h"

#include <limits>
#include <unordered_map>

namespace selfsight::nn {

namespace {

torch::Tensor indices_of(const torch::Tensor& condition) { return condition.nonzero().squeeze(1); }

}  // namespace

ClusterBank::ClusterBank(const ClusterBankOptions& options) : options_(options) {
  if (options.clusters < 1 || options.samples < options.clusters * std::max<std::int64_t>(options.smallest, 1))
    core::fail(core::Exit::usage, "{} clusters of at least {} images need {} of them, and there are {}", options.clusters,
               std::max<std::int64_t>(options.smallest, 1), options.clusters * std::max<std::int64_t>(options.smallest, 1),
               options.samples);
  features_ = register_buffer("features", torch::zeros({options.samples, options.dim}));
  labels_ = register_buffer("labels", torch::zeros({options.samples}, torch::kInt64));
  centroids_ = register_buffer("centroids", torch::zeros({options.clusters, options.dim}));
  commits_ = register_buffer("commits", torch::zeros({}, torch::kInt64));
  started_ = register_buffer("started", torch::zeros({}, torch::kBool));
}

void ClusterBank::start(const torch::Tensor& features, const torch::Tensor& labels) {
  const torch::NoGradGuard no_grad;
  features_.copy_(unit_rows(features));
  labels_.copy_(labels);
  compute_centroids();
  started_.fill_(true);
}

torch::Tensor ClusterBank::stage(const torch::Tensor& own_samples, const torch::Tensor& own_features, bool keep_labels) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor samples = ranks_.gather(own_samples), features = ranks_.gather(own_features);
  const FullPrecision guard;
  // An image that could not be read may be replaced by another of the batch: of two rows for one place the last is taken.
  const torch::Tensor on_host = samples.to(torch::kCPU).contiguous();
  std::unordered_map<std::int64_t, std::int64_t> last;
  for (std::int64_t i = 0; i < on_host.size(0); ++i) last[on_host.const_data_ptr<std::int64_t>()[i]] = i;
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < on_host.size(0); ++i)
    if (last.at(on_host.const_data_ptr<std::int64_t>()[i]) == i) rows.push_back(i);
  const torch::Tensor which = to_device(torch::tensor(rows), features.device());

  Staged staged;
  staged.samples = samples.index_select(0, which);
  const torch::Tensor fresh = unit_rows(features).index_select(0, which).to(features_.scalar_type());
  staged.features = unit_rows((1 - options_.rate) * features_.index_select(0, staged.samples) + options_.rate * fresh);
  torch::Tensor changed = torch::zeros({}, torch::kFloat64);
  if (!keep_labels) {
    staged.labels = torch::matmul(staged.features, centroids_.t()).argmax(1);
    changed = staged.labels.ne(labels_.index_select(0, staged.samples)).to(torch::kFloat64).mean();
  }
  staged_.push_back(std::move(staged));
  return changed;
}

bool ClusterBank::centroids_due() const { return (commits_.item<std::int64_t>() + 1) % options_.centroid_every == 0; }

void ClusterBank::commit() {
  const torch::NoGradGuard no_grad;
  bool labelled = false;
  for (const auto& staged : staged_) {
    features_.index_copy_(0, staged.samples, staged.features);
    if (!staged.labels.defined()) continue;
    labels_.index_copy_(0, staged.samples, staged.labels);
    labelled = true;
  }
  staged_.clear();
  const bool centroids = centroids_due();
  commits_ += 1;
  if (!labelled) return;
  if (centroids) compute_centroids();
  if (commits_.item<std::int64_t>() % options_.small_every == 0) dissolve_small();
}

void ClusterBank::compute_centroids() {
  const torch::NoGradGuard no_grad;
  const torch::Tensor members = sizes().unsqueeze(1), sums = torch::zeros_like(centroids_).index_add_(0, labels_, features_);
  centroids_.copy_(torch::where(members > 0, sums / members.clamp_min(1), centroids_));
}

void ClusterBank::dissolve_small() {
  const torch::NoGradGuard no_grad;
  const FullPrecision guard;
  const torch::Tensor small = sizes() < options_.smallest;
  const torch::Tensor emptied = indices_of(small).to(torch::kCPU);
  if (emptied.size(0) == 0) return;
  const torch::Tensor large = indices_of(~small);  // never empty: there are images enough for all clusters
  const torch::Tensor moved = indices_of(small.index_select(0, labels_));
  if (moved.size(0) > 0) {
    const torch::Tensor likeness = torch::matmul(features_.index_select(0, moved), centroids_.index_select(0, large).t());
    labels_.index_copy_(0, moved, large.index_select(0, likeness.argmax(1)));
  }
  for (std::int64_t i = 0; i < emptied.size(0); ++i) {
    const auto empty = emptied[i].item<std::int64_t>();
    const auto largest = sizes().argmax().item<std::int64_t>();
    const torch::Tensor members = indices_of(labels_ == largest), rows = features_.index_select(0, members);
    torch::Tensor half = kmeans(rows, 2, 20, static_cast<std::uint64_t>(commits_.item<std::int64_t>())).labels;
    if (half.min().equal(half.max())) half = torch::arange(half.size(0)) % 2;  // all the same
    half = half.to(members.device()).to(torch::kBool);
    labels_.index_fill_(0, members.index_select(0, indices_of(half)), empty);
    centroids_[largest].copy_(rows.index_select(0, indices_of(~half)).mean(0));
    centroids_[empty].copy_(rows.index_select(0, indices_of(half)).mean(0));
  }
}

torch::Tensor ClusterBank::draw_members(const torch::Tensor& labels) const {
  const torch::NoGradGuard no_grad;
  // Images in the order of their labels: those of one cluster lie side by side.
  const torch::Tensor order = labels_.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false), members = sizes();
  const torch::Tensor first = members.cumsum(0) - members;
  const torch::Tensor size = members.index_select(0, labels);
  if (size.numel() > 0 && size.min().item<std::int64_t>() == 0)
    core::fail(core::Exit::internal, "a cluster without members has none to draw");
  const torch::Tensor place =
      (to_device(ranks_.own_rows(torch::rand({ranks_.whole(labels.size(0))}, torch::kFloat64)), labels.device()) * size).to(torch::kInt64);
  return order.index_select(0, first.index_select(0, labels) + torch::minimum(place, size - 1));
}

double purity(const torch::Tensor& labels, const torch::Tensor& classes) {
  const torch::Tensor known = indices_of(classes >= 0);
  if (known.size(0) == 0) return std::numeric_limits<double>::quiet_NaN();
  const torch::Tensor y = labels.index_select(0, known), truth = classes.index_select(0, known);
  const std::int64_t count = truth.max().item<std::int64_t>() + 1, clusters = y.max().item<std::int64_t>() + 1;
  const torch::Tensor table = (y * count + truth).bincount({}, clusters * count).view({clusters, count});
  return static_cast<double>(table.amax(1).sum().item<std::int64_t>()) / static_cast<double>(known.size(0));
}

}  // namespace selfsight::nn
