// ssl-linear's work: judges frozen features (and fine-tuning) of a model against those of baselines, by published protocols.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"
#include "tasks/output_folder.h"
#include "tasks/probe_fine_tune.h"
#include "tasks/probe_head.h"
#include "tasks/probe_linear.h"

#include <filesystem>
#include <string>
#include <vector>

namespace selfsight::tasks {

struct ProbeOptions {
  std::vector<std::string> protocols = {"linear", "knn", "few-labels"};
  std::vector<std::string> baselines;  ///< "pixels", "untrained"
  std::string train_split = "train", test_split = "test";
  std::vector<std::string> layers = {"pooled"};  ///< each is judged on its own
  std::uint64_t seed = 0;
  bool standardise = true;  ///< by mean and deviation of the training split's features (kNN takes them as they are)
  // linear
  LinearOptions linear;
  double held_out = 0.1;  ///< share of the training split on which the learning rate is chosen
  bool augment = false;
  // kNN (Wu et al., arXiv 1805.01978)
  std::vector<std::int64_t> knn_k = {20};
  double knn_temperature = 0.07;
  // few labels
  std::vector<std::string> labels = {"100", "1%", "all"};
  std::int64_t draws = 5;
  std::vector<double> strengths = {1e-4, 1e-3, 1e-2, 1e-1, 1, 10};
  // fine-tuning
  FineTuneOptions fine_tune;
  std::vector<std::string> fine_tune_labels = {"all"};
  std::int64_t fine_tune_draws = 1;
  HeadOptions head;  ///< of the protocols "non-linear" and "conv"
  CropOptions crop;
  BadPolicy bad;
  // running
  std::string device = "cpu";
  std::int64_t threads = 0, workers = 0, batch = 256;
  bool reuse = true;  ///< take features that an earlier run left in the folder

  void describe(core::Options& options);
};

/// Rows of every protocol for every layer of the model and each baseline ("linear top-1", "kNN top-1", "non-linear top-1", "conv top-1",
/// "few-label top-1", "fine-tune top-1", top-5 beside some of them with more than ten classes; the pixels, and a whole network that is
/// fine-tuned, are judged once), paired differences to the baselines, the confusion matrix of the model's first protocol (extra:
/// "confusion", "per_class") and the features of the test split, which are written into `folder`. The same for the same seed and thread
/// count. Several ranks share what takes time (the images, the neighbours' queries, the learning rates, the draws, the batches of
/// fine-tuning); all have the rows, the first one writes. Errors: usage (options that do not fit the data), bad_data (no labels, one class,
/// no such split), no_input (weights missing).
manifest::Metrics probe(const manifest::Model& model, const manifest::Dataset& dataset, const ProbeOptions& options,
                        const OutputFolder& folder, const dist::Ranks& ranks = {});

}  // namespace selfsight::tasks
