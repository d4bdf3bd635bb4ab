// Which of a file's tensors are a network's: files of other toolkits have its keys behind a prefix ("module.encoder_q."), some under other
// names ("backbone.4.0.conv1.weight").
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace selfsight::weights {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

/// A naming of a network's tensors.
struct Layout {
  std::string name;
  /// What stands in the file, behind its prefix, for a key of ours (torchvision's and timm's).
  std::string (*key)(const std::string& ours);
};
/// "plain" (torchvision, timm, and the releases of DINO, MoCo, SwAV, MAE), "sequential" (children of torchvision's ResNet in a row, as
/// lightly and others keep backbones), "obow" (OBoW's feature blocks), "efficientnet-pytorch" (blocks counted through all stages).
const std::vector<Layout>& layouts();

struct Fit {
  std::string layout, prefix;
  std::map<std::string, std::string> pairs;  ///< our key: the file's, where both are there with one shape
  std::vector<std::string> missing;          ///< ours that the file lacks; not counted: num_batches_tracked, which older files do not have
  std::vector<std::string> misshapen;        ///< "layer1.0.conv1.weight: [64, 64, 3, 3], the file has [64, 64, 1, 1]"
  std::vector<std::string> unexpected;       ///< the file's keys behind the prefix that are none of ours
  /// Other prefixes behind which as many tensors fit ("student.backbone."): the file holds several networks.
  std::vector<std::string> alternatives;

  [[nodiscard]] bool complete() const { return missing.empty() && misshapen.empty(); }
};

/// The layout and prefix with the most fitting tensors; among equals the teacher or query network comes before students, momentum and key
/// networks, and a short prefix before a long one. With a `prefix` only that one. Nothing fits: an empty `pairs` and everything missing.
Fit fit(const Shapes& ours, const Shapes& file);
Fit fit(const Shapes& ours, const Shapes& file, const std::string& prefix);

}  // namespace selfsight::weights
