// `ssl-dense match`: do features know a spot of the image again? For each cell of one augmented view the most similar cell of another
// view of the same image is looked up; it is right when both show the same spot.
#pragma once

#include "tasks/dense_subject.h"

#include "data/view_pair.h"

namespace selfsight::tasks {

struct MatchOptions {
  DenseSubject subject;
  BadPolicy bad;
  std::string split = "test";
  std::int64_t draws = 3, batch = 64, workers = 0;
  double threshold = 0.7;  ///< T, in diagonals of the larger cell (PixPro)
  data::Recipe view;       ///< of both views; size 0: the model's input

  MatchOptions();
  void describe(core::Options& options);
};

/// Counts over cells of the first views. A cell can be matched when some cell of the second view lies within T of it.
struct MatchCounts {
  std::int64_t cells = 0, matchable = 0;
  std::int64_t right = 0;       ///< matchable cells whose most similar cell (cosine, of equals the first) lies within T
  std::int64_t same_place = 0;  ///< ... of which the cell in the same row and column does
  double by_chance = 0;         ///< right answers to be expected of a cell drawn at random
  MatchCounts& operator+=(const MatchCounts& other);
};
/// `first`, `second`: maps N x C x h x w; `a`, `b`: boxes of nn::crop_boxes.
MatchCounts count_matches(const torch::Tensor& first, const torch::Tensor& second, const torch::Tensor& a, const torch::Tensor& b,
                          double threshold);

/// Rows over the draws of views: "cell correspondence" (right / matchable), "... by chance", "... at the same place", and "... above
/// chance": (right - chance) / (1 - chance), 0 for guessing and 100 for perfect. Errors: usage, bad_data (no such split, no cell that can
/// be matched, features that are not finite), no_input.
manifest::Metrics match_cells(const manifest::Model& model, const manifest::Dataset& dataset, const MatchOptions& options);

}  // namespace selfsight::tasks
