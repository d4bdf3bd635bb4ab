// What stands between a backbone and a loss: projectors, predictors, DINO's head, prototypes.
#pragma once

#include "libtorch.h"
#include "nn/batch_norm.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::nn {

/// Linear layers with an activation between them: {2048, 512, 128} is Linear, [BN,] activation, Linear[, BN].
struct MlpOptions {
  std::vector<std::int64_t> dims;   ///< in, hidden ..., out; at least two
  bool batch_norm = false;          ///< between linear layer and activation
  bool last_batch_norm = false;     ///< after the last layer
  bool last_affine = true;          ///< that one has gain and bias (SimSiam's has none)
  bool last_norm_bias = true;       ///< its bias is trained; else it stays 0 (SimCLR's)
  bool bias = true;                 ///< of linear layers without a normalisation behind them
  bool bias_before_norm = false;    ///< of the others: the mean takes it out again (SwAV's release has it all the same)
  std::string activation = "relu";  ///< or "gelu"
};

/// For the model manifest's heads.
nlohmann::json to_json(const MlpOptions& options);
/// Error: bad_data for no object, no widths or a wrong type.
MlpOptions mlp_options(const nlohmann::json& architecture);

/// Children are numbered as those of the Sequential in the published releases ("0", "2" without BN; "0", "1", "3" with it).
class Mlp : public torch::nn::Module {
 public:
  /// LibTorch's default initialisation. Error: usage for fewer than two dims or an unknown activation.
  explicit Mlp(const MlpOptions& options);
  /// N x in -> N x out.
  torch::Tensor forward(torch::Tensor x);
  [[nodiscard]] const MlpOptions& options() const { return options_; }

 private:
  MlpOptions options_;
  std::vector<torch::nn::Linear> linears_;
  std::vector<BatchNorm> norms_;  // null where there is none
};

/// y = x (g v/|v|)^T: a linear layer without bias whose rows have direction v and length g (Salimans and Kingma, 2016). g starts at 1.
class WeightNormLinear : public torch::nn::Module {
 public:
  /// `fixed_gain`: g stays 1, so unit rows in give cosines out.
  WeightNormLinear(std::int64_t in, std::int64_t out, bool fixed_gain);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor weight_g, weight_v;  // out x 1, out x in
};

struct DinoHeadOptions {
  std::int64_t in = 384, out = 65536, hidden = 2048, bottleneck = 256;
  std::int64_t layers = 3;  ///< of the MLP, the one to the bottleneck included
  bool batch_norm = false;
  bool norm_last_layer = true;  ///< gain of the last layer fixed to 1
};

/// DINO's head (arXiv 2104.14294, section 3.1 and appendix C): MLP with GELU, L2 normalisation, weight-normalised last layer.
/// Keys as in the release: mlp.0, mlp.2, mlp.4, last_layer.weight_g, last_layer.weight_v.
class DinoHead : public torch::nn::Module {
 public:
  explicit DinoHead(const DinoHeadOptions& options);
  /// N x in -> N x out, logits; in [-1, 1] when the gain is fixed.
  torch::Tensor forward(const torch::Tensor& x);
  [[nodiscard]] const std::shared_ptr<WeightNormLinear>& last_layer() const { return last_layer_; }

 private:
  std::shared_ptr<Mlp> mlp_;
  std::shared_ptr<WeightNormLinear> last_layer_;
};

/// Cluster centres as a linear layer without bias (SwAV, arXiv 2006.09882, section 3.1): key "weight", count x dim.
class Prototypes : public torch::nn::Module {
 public:
  /// Random rows of unit length.
  Prototypes(std::int64_t dim, std::int64_t count);
  /// Scores N x count of rows N x dim: cosines when both are normalised.
  torch::Tensor forward(const torch::Tensor& z);
  /// Rows to unit length, in place and without gradient: before every forward pass, never between forward and backward.
  void normalize();

 private:
  torch::Tensor weight;
};

}  // namespace selfsight::nn
