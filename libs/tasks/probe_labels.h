// Which samples of a split may use their label: stratified draws that depend on nothing but labels, seed and draw number, so that every
// model judged with the same seed gets the same samples (and differences between models are paired).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace selfsight::tasks {

/// The labels of a training split, as far as a probe needs to know them.
struct LabelledSplit {
  std::string split;                   ///< name, for messages
  std::vector<std::int64_t> labels;    ///< one a sample, -1 where absent
  std::vector<std::int64_t> labelled;  ///< samples that have one
  std::int64_t classes = 0;            ///< highest label + 1, or the number of class names when that is more
  std::int64_t present = 0;            ///< classes that have samples
};
/// "'frog'", or "3" of a class without a name.
std::string class_text(const std::vector<std::string>& class_names, std::int64_t label);
/// Error: bad_data, naming the split, when there are no labels or only one class.
LabelledSplit labelled_split(const std::string& origin, const std::string& split, std::vector<std::int64_t> labels,
                             const std::vector<std::string>& class_names);

/// A number of labels as asked for: "100", "1%", "all".
struct LabelBudget {
  std::string text;
  std::int64_t count = 0;
  bool all = false;
};
/// Budgets of equal count are given once, in the order asked for. Error: usage, naming `option`, for what is no number, more than there are
/// labelled samples, or fewer than one for each class.
std::vector<LabelBudget> parse_budgets(const std::string& option, const std::vector<std::string>& texts, const LabelledSplit& split);

/// What a draw is for; draws of different purpose share no random numbers.
enum class DrawPurpose : std::uint64_t { few_labels = 1, held_out = 2, folds = 3 };

/// `count` of `samples`, each class in proportion (largest remainder, at least one of each), ascending. With the same seed, draw and
/// purpose a smaller draw of balanced classes is part of a larger one. `labels` is indexed by sample.
std::vector<std::int64_t> stratified_draw(std::span<const std::int64_t> samples, std::span<const std::int64_t> labels, std::int64_t count,
                                          std::uint64_t seed, std::uint64_t draw, DrawPurpose purpose);

/// A fold number (0 .. folds - 1) for each of `labels`, every class spread evenly.
std::vector<std::int64_t> stratified_folds(std::span<const std::int64_t> labels, std::int64_t folds, std::uint64_t seed,
                                           std::uint64_t draw);

}  // namespace selfsight::tasks
