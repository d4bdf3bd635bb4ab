// Plans from features: which samples make a batch, or stand in for one another (ssl-plan).
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::tasks {

struct BatchesOptions {
  std::string by = "clusters";  ///< "clusters" and "labels": of different ones; "random"; "single-cluster": of one
  std::int64_t batch = 64;      ///< B
  std::int64_t clusters = 0;    ///< k of k-means; 0: as many as a batch has samples, as G-SimCLR
  std::int64_t iterations = 100;
  std::string within = "shuffled";  ///< order of a cluster's samples: by the seed, or "index", that of the split (as released)
  bool redraw = false;
  std::uint64_t seed = 0;
  void describe(core::Options& options);
};

struct MatesOptions {
  std::string by = "neighbours";  ///< or "clusters": others of the same one
  std::int64_t per_sample = 5;    ///< M
  std::int64_t clusters = 0;      ///< k of k-means; 0: so many that one has ten times M samples
  std::int64_t iterations = 100;
  std::uint64_t seed = 0;
  void describe(core::Options& options);
};

/// Batches of the split that `features` are of, written to `payload` (safetensors). `facts` say how often a batch pairs two samples of one
/// class, beside the same for random batches, where the labels are known. Errors: usage for fewer samples than a batch or clusters;
/// bad_data for features that leave samples out, and for labels that are needed but absent.
manifest::Plan plan_batches(const manifest::Features& features, const BatchesOptions& options, const manifest::fs::path& payload);

/// M others for each sample: the nearest by cosine, nearest first, or any of its cluster of k-means on features of unit length (the nearest
/// where it is alone in it). Errors: likewise.
manifest::Plan plan_mates(const manifest::Features& features, const MatesOptions& options, const manifest::fs::path& payload);

/// Share of all pairs inside the batches whose two samples have one label.
double same_label_share(const std::vector<std::int64_t>& order, const std::vector<std::int64_t>& labels, std::int64_t batch);

}  // namespace selfsight::tasks
