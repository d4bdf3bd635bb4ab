// A larger classifier on frozen features: RotNet's evaluations (Gidaris et al., arXiv 1803.07728, section 5.1 and the release).
#pragma once

#include "tasks/crop_training.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::tasks {

struct HeadOptions {
  std::int64_t epochs = 100, batch = 128;
  double learning_rate = 0.1, weight_decay = 5e-4;  ///< SGD with Nesterov's momentum of 0.9
  /// Shares of the epochs from which on the rate is a fifth of what it was; none: the release's of each head.
  std::vector<double> drops;
  std::uint64_t seed = 0;
};

class ProbeHead : public torch::nn::Module {
 public:
  /// x: N x C x h x w (non-linear: any N x ...). Returns N x classes.
  virtual torch::Tensor forward(const torch::Tensor& x) = 0;
};
/// `kind`: "non-linear" (all values, two layers of 20 units a class with normalisation and ReLU, a linear one; 2,500,410 parameters on
/// 192 x 8 x 8 for ten classes) or "conv" (a block of Network in Network with as many channels as the map, global average, a linear layer;
/// 408,586). `shape`: of one sample. Initialised as the release does.
std::shared_ptr<ProbeHead> make_head(const std::string& kind, const std::vector<std::int64_t>& shape, std::int64_t classes);

/// Error: usage, naming the layer, when a head of this kind cannot stand on the subject's.
void check_head(const std::string& kind, const Subject& subject);

struct HeadJudged {
  torch::Tensor predictions;  ///< one a sample of the test split
  double loss = 0;            ///< mean over the last epoch's batches
  std::vector<double> drops;  ///< as trained
};
/// Trains a head on the map of the subject's layer, the network frozen in eval mode, on crops of `samples` of `train`, and predicts all of
/// `test` (evaluation view). Errors: usage for a layer that the head does not take, bad_data when the loss is not finite.
HeadJudged judge_by_head(const std::string& kind, const Subject& subject, const OpenSplit& train, const std::vector<std::int64_t>& samples,
                         const OpenSplit& test, std::int64_t classes, const HeadOptions& options, const CropOptions& crop,
                         const EmbedRun& run);

}  // namespace selfsight::tasks
