// Training on random crops of labelled images: what fine-tuning and the heads of frozen maps have in common.
#pragma once

#include "data/plan.h"
#include "data/view.h"
#include "tasks/probe_subject.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace selfsight::tasks {

/// Random crop and flip, the augmentation of the published protocols.
struct CropOptions {
  double scale_min = 0.08;   ///< least area of a crop, which is resized
  std::int64_t padding = 0;  ///< above 0, instead of that: cut from the image with so many pixels of black around it, not resized
  double flip = 0.5;
  /// What a protocol says of it.
  [[nodiscard]] std::string text() const;
};
data::Recipe crop_recipe(std::int64_t size, const CropOptions& options);

data::LoaderOptions loading(const EmbedRun& run);
/// A shuffled plan over some samples of a source. With `drop_last` a last short batch is kept only when it is the only one: norms over two
/// images say little.
data::EpochPlan plan_over(const std::vector<std::int64_t>& samples, std::int64_t batch, std::uint64_t seed, std::int64_t epoch,
                          bool drop_last);
/// `run` with its ranks where they can share batches of so many images evenly, else as if this process were alone.
EmbedRun sharing(EmbedRun run, std::int64_t images);

struct CropTraining {
  std::string title;  ///< of its progress
  std::int64_t epochs = 1, batch = 128;
  std::uint64_t seed = 0;
  std::function<torch::Tensor(const torch::Tensor& x)> logits;  ///< N x classes
  std::vector<torch::Tensor> parameters;                        ///< all that are trained
  train::OptimizerOptions rule;
  std::vector<train::ParameterGroup> groups;
  std::function<double(const train::Progress&)> rate;
  double peak_rate = 0, weight_decay = 0;
};
/// Cross-entropy on crops of `samples` of `split`, as large as the subject's input. Several ranks (of `run`, as sharing() gives it) share
/// each batch. Returns the mean loss over the last epoch's batches. Error: bad_data, naming `rate_option`, when the loss is not finite.
double train_on_crops(const Subject& subject, const OpenSplit& split, const std::vector<std::int64_t>& samples,
                      const CropTraining& training, const CropOptions& crop, const EmbedRun& run, const std::string& rate_option);

}  // namespace selfsight::tasks
