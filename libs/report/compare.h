// Metrics of several runs side by side: which numbers belong into one column, which runs are repetitions of one arm, and whether
// a difference between two arms holds.
#pragma once

#include "manifest/manifest.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::report {

/// One run's number in a cell.
struct Run {
  std::size_t manifest = 0;  ///< which of the metrics manifests it came from
  std::string seed;          ///< of that manifest's model; "" when unknown
  double value = 0;
  std::vector<double> samples;  ///< draws behind the value, in a fixed order
  std::string draws;            ///< the seed that the draws were made with, as the protocol says; draws of other seeds do not pair
};

struct Cell {
  std::vector<Run> runs;
  std::string protocol;  ///< what this cell's protocol has beside the column's, "lr 0.3" (seeds left out)
};

/// All that a cell says: its centre, its spread (standard deviation with n - 1), and over what.
struct Summary {
  double mean = 0, spread = 0;
  std::vector<double> samples;  ///< run means where there are several different runs, else the draws of the one
  std::string over;             ///< "runs", "draws", or "" for a single number
};

/// a - b.
struct Difference {
  double mean = 0;
  std::optional<double> standard_error;
  double low = 0, high = 0;     ///< 95 % interval by Student's t; both equal to the mean without a standard error
  std::vector<double> samples;  ///< the single differences when paired
  std::string over;             ///< "paired draws", "paired runs", "unpaired", or "" for two single numbers
  /// Whether the interval leaves out zero on the side that is better.
  [[nodiscard]] bool holds(bool lower_is_better) const;
};

struct Column {
  std::string name, split, unit;
  std::string protocol;  ///< what all cells have in common, "k 20, temperature 0.07"
  std::string brief;     ///< the same where it is short, else its main entries
  bool lower_is_better = false;
  /// "linear top-1, labels 100", cut where it would be long; no two columns of one split have the same.
  std::string title;
  std::string full_title;  ///< uncut
};

struct Arm {
  std::string name;     ///< the subject, with what sets it apart where one method comes in several settings
  bool method = false;  ///< it is what a manifest's model was trained by (not a baseline judged along with it)
};

struct Comparison {
  std::vector<Column> columns;                                ///< in the order of first appearance
  std::vector<Arm> arms;                                      ///< likewise; methods before baselines
  std::map<std::pair<std::size_t, std::size_t>, Cell> cells;  ///< by (arm, column)
  std::vector<std::optional<std::size_t>> method_arms;        ///< of each manifest: the arm that its own model is a run of
  [[nodiscard]] const Cell* cell(std::size_t arm, std::size_t column) const;
};

/// Sorts the rows of all manifests into arms and columns. Rows of one name, split and unit share a column unless their protocols
/// set apart rows of one subject in one manifest (100 labels, 600 labels); other differences of protocol stand in the cells.
/// Runs of one method that differ in nothing but their seed are one arm. Rows that are differences of others (their protocol has
/// "pairing") are left out: the page takes its own.
Comparison compare(const std::vector<manifest::Metrics>& metrics);

Summary summarise(const Cell& cell);
/// Pairs runs of one manifest, else runs of one seed; with one pair of runs, their draws. Unpaired (Welch) where nothing pairs.
Difference difference(const Cell& a, const Cell& b);

/// Student's t: the value that a variable of `freedom` degrees stays below with probability `p` (0.5 < p < 1).
double student_quantile(double p, double freedom);

/// "k 20, temperature 0.07": a protocol for people.
std::string protocol_text(const manifest::Json& protocol);
/// The same cut to its main entries where it would not stand under a number.
std::string protocol_brief(const manifest::Json& protocol);
/// A text that stands in a narrow place, cut at a comma where there is one; the whole is to be found elsewhere.
std::string cut(const std::string& text, std::size_t most = 40);
/// The number with its sign, "+1.2" or "−0.3", as value_text writes it; without one where it rounds to 0.
std::string signed_text(double value, double spread, const std::string& unit);
/// The number with as many decimals as its spread (or its unit) warrants.
std::string value_text(double value, double spread, const std::string& unit);

}  // namespace selfsight::report
