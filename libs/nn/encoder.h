// A backbone with the head that a loss sees: what most methods train, and what their EMA copies are copies of.
#pragma once

#include "dist/ranks.h"
#include "nn/backbone.h"
#include "nn/heads.h"
#include "nn/to_device.h"

#include <string>
#include <vector>

namespace selfsight::nn {

template <class Head>
class Encoder : public torch::nn::Module {
 public:
  Encoder(std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head)
      : backbone(register_module("backbone", std::move(backbone))), head(register_module("head", std::move(head))) {}

  /// x: N x C x H x W. Returns the head's output, N x D.
  torch::Tensor forward(const torch::Tensor& x) { return head->forward(backbone->forward(x).pooled); }

  std::shared_ptr<Backbone> backbone;
  std::shared_ptr<Head> head;
};

/// `head` on top of what `backbone` pools.
std::shared_ptr<Encoder<Mlp>> make_encoder(std::shared_ptr<Backbone> backbone, const MlpOptions& head);

/// A whole batch goes through in `groups` parts that batch statistics stay within, as on so many GPUs (MoCo); of several ranks each has its
/// share of them, and a single group is of all. `option` is what the user calls them. Error: usage for a batch or ranks that do not divide
/// evenly.
void check_groups(std::int64_t groups, std::int64_t batch, const dist::Ranks& ranks, const std::string& option);

/// The encoder on the groups of a rank's rows one by one. x: N x C x H x W.
template <class E>
torch::Tensor forward_in_groups(E& encoder, const torch::Tensor& x, std::int64_t groups, const dist::Ranks& ranks) {
  const std::int64_t own = groups / ranks.size();
  if (own <= 1) return encoder.forward(x);
  std::vector<torch::Tensor> parts;
  for (const auto& part : x.chunk(own)) parts.push_back(encoder.forward(part));
  return torch::cat(parts);
}

/// The same without gradient, with the rows of all ranks dealt to the groups in `order` (a permutation of the whole batch, the same on all
/// ranks); the result is in the order of x.
template <class E>
torch::Tensor forward_in_dealt_groups(E& encoder, const torch::Tensor& x, const torch::Tensor& order, std::int64_t groups,
                                      const dist::Ranks& ranks) {
  const torch::NoGradGuard no_grad;
  if (groups == 1 && !ranks.alone()) return encoder.forward(x);  // in whatever order: nothing need be moved
  const torch::Tensor dealt = ranks.gather(x).index_select(0, ranks.own_rows(order));
  return ranks.own_rows(ranks.gather(forward_in_groups(encoder, dealt, groups, ranks)).index_select(0, order.argsort()));
}

/// The same in a random order (MoCo, section 3.3: shuffled BN).
template <class E>
torch::Tensor forward_in_shuffled_groups(E& encoder, const torch::Tensor& x, std::int64_t groups, const dist::Ranks& ranks) {
  const auto order = to_device(torch::randperm(ranks.whole(x.size(0)), torch::TensorOptions().dtype(torch::kInt64)), x.device());
  return forward_in_dealt_groups(encoder, x, order, groups, ranks);
}

/// Multi-crop (SwAV, section 3.2): the backbone once for each run of consecutive views of equal size, then the head once on all of them
/// together, so that batch normalisation in it sees every crop (as the releases of SwAV and DINO do). `views`: N x C x H x W each, of one
/// N. Returns the head's outputs view by view.
template <class E>
std::vector<torch::Tensor> forward_by_size(E& encoder, const std::vector<torch::Tensor>& views) {
  std::vector<torch::Tensor> features;
  for (std::size_t begin = 0; begin < views.size();) {
    std::size_t end = begin + 1;
    while (end < views.size() && views[end].size(2) == views[begin].size(2)) ++end;
    const auto group = static_cast<std::int64_t>(end - begin);
    const torch::Tensor joined =
        group == 1
            ? views[begin]
            : torch::cat(std::vector(views.begin() + static_cast<std::ptrdiff_t>(begin), views.begin() + static_cast<std::ptrdiff_t>(end)));
    features.push_back(encoder.backbone->forward(joined).pooled);
    begin = end;
  }
  return encoder.head->forward(torch::cat(features)).chunk(static_cast<std::int64_t>(views.size()));
}

}  // namespace selfsight::nn
