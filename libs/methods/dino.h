// DINO: Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, arXiv 2104.14294.
#pragma once

#include "data/multi_crop.h"
#include "nn/encoder.h"
#include "nn/heads.h"
#include "train/method.h"

namespace selfsight::methods {

struct DinoOptions {
  double student_temperature = 0.1;          ///< tau_s
  double teacher_temperature = 0.04;         ///< tau_t at the end
  double warmup_teacher_temperature = 0.04;  ///< and at the start
  double warmup_teacher_epochs = 0;
  double momentum = 0.996;  ///< m of the teacher at the start; rises to 1 by a cosine
  double centre_momentum = 0.9;
  std::int64_t outputs = 65536, hidden = 2048, bottleneck = 256;  ///< D and the head's widths
  bool batch_norm = false;                                        ///< in the head
  bool norm_last_layer = true;                                    ///< gain of the weight-normalised last layer fixed to 1
  double freeze_last_layer = 1;                                   ///< epochs
  double clip_each = 3.0;                                         ///< largest gradient norm of each parameter tensor; 0: no clipping
  data::MultiCrop views = data::multi_crop("dino");
};

/// tau_t of an epoch: linear over the first W epochs, the last of which already has the final value.
double teacher_temperature(const DinoOptions& options, std::int64_t epoch);

class Dino : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  void after_backward(const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress&) override { centre_parts_ = 0; }
  /// The teacher's: it is the better of the two throughout training (section 5.1).
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return teacher_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", teacher_->head}}; }

 private:
  DinoOptions options_;
  std::shared_ptr<nn::Encoder<nn::DinoHead>> student_, teacher_;
  torch::Tensor centre_;           ///< 1 x D
  torch::Tensor batch_centre_;     ///< sum over this update's batches of their mean raw teacher logits; joins the centre after it
  std::int64_t centre_parts_ = 0;  ///< batches in that sum
};

/// Cross-entropy between the teacher's global views and all other student views, averaged over the pairs (equation 3).
/// teacher: one N x D tensor of probabilities a global view; student: one N x D tensor of logits a view, already divided by tau_s.
torch::Tensor dino_loss(const std::vector<torch::Tensor>& teacher, const std::vector<torch::Tensor>& student);

}  // namespace selfsight::methods
