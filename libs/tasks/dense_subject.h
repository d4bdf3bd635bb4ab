// What the judges of dense features share: whose feature maps, and of which layer.
#pragma once

#include "core/options.h"
#include "tasks/probe_subject.h"

#include <string>

namespace selfsight::tasks {

/// A layer as a map, N x C x h x w: "map" (the last one), a tap that is one ("layer3"), or the patch tokens of a transformer's block
/// ("block-8") in their places. x: N x channels x H x W. Error: usage for a layer that the network does not have or that is no map.
torch::Tensor feature_map(nn::Backbone& backbone, const torch::Tensor& x, const std::string& layer);

struct DenseSubject {
  std::string weights = "model";  ///< or "untrained": the same architecture, weights drawn by `seed`
  std::string layer = "map", device = "cpu";
  std::uint64_t seed = 0;
  std::int64_t threads = 0;

  void describe(core::Options& options);
  /// The network on the device, frozen, in eval mode. Errors: as train::load_pretrained; usage for a layer that is no map.
  [[nodiscard]] Subject open(const manifest::Model& model) const;
  /// What a protocol says of it.
  [[nodiscard]] manifest::Json protocol(const Subject& subject) const;
};

}  // namespace selfsight::tasks
