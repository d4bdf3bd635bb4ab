// The parts of the page. Each takes what it needs and gives markup; page.cpp puts them in order.
#pragma once

#include "report/compare.h"
#include "report/feature_set.h"
#include "report/html.h"
#include "report/page.h"
#include "report/record.h"

#include <optional>
#include <string>
#include <vector>

namespace selfsight::report {

/// The arm that the page is about and those it is held against, as indices of Comparison::arms.
struct Focus {
  std::optional<std::size_t> arm;
  std::vector<std::size_t> baselines;
};
/// Error: usage when a name that was asked for is not among the arms.
Focus find_focus(const Comparison& comparison, const ReportOptions& options);

/// The first thing to be seen: one number and whether it stands against the baselines.
std::string hero(const Comparison& comparison, const Focus& focus);
Section results_section(const Comparison& comparison, const Focus& focus);

/// How right each class was and what it was taken for, where a metrics manifest says so ("per_class", "confusion"); nullopt otherwise.
std::optional<Section> classes_section(const Material& material);

/// What the metrics say of single items ("breakdowns"): bars and tables, curves, ranked galleries, masks over images. A file that is
/// missing or cannot be read is a note in its place. nullopt where no metrics have any.
std::optional<Section> breakdowns_section(const Material& material, const ReportOptions& options, Thumbnails& thumbnails);

/// A model with its record; `colour` is that of its arm.
struct TrainedRun {
  const manifest::Model* model = nullptr;
  std::string arm, name;     ///< the name says the seed as well where an arm has several runs
  int colour = 0, dash = 0;  ///< runs of one arm differ in their dashes
  TrainingRecord record;
};
Section training_section(const std::vector<TrainedRun>& runs);
Section views_section(const std::vector<TrainedRun>& runs);

/// Features to be shown, and those that their neighbours are sought in: the training features of the same model, or the same ones.
struct ShownSet {
  const FeatureSet* set = nullptr;
  const FeatureSet* keys = nullptr;
};
struct Shown {
  std::optional<ShownSet> primary;  ///< of the page's subject; nothing without any features
  std::vector<ShownSet> others;     ///< of other subjects, same split
};
Shown choose_features(const std::vector<FeatureSet>& sets, const std::string& subject);
Section neighbours_section(const Shown& shown, const ReportOptions& options, Thumbnails& thumbnails);
Section map_section(const Shown& shown, const ReportOptions& options, Thumbnails& thumbnails);

/// The splits of each data set, and some of the images.
Section data_section(const Material& material, const ReportOptions& options, Thumbnails& thumbnails);

/// What was run, with which settings.
Section run_section(const Material& material, const std::vector<TrainedRun>& runs);
/// One line for the head of the page.
std::string run_line(const std::vector<TrainedRun>& runs);

}  // namespace selfsight::report
