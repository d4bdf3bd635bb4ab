// What the verbs that score label images share: where predictions are, reading a pair, and which frames a report shows.
#pragma once

#include "data/labels.h"
#include "manifest/manifest.h"
#include "metrics/label_runs.h"

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::score {

namespace fs = manifest::fs;

/// The folder of predictions behind `input`: a folder, or a predictions manifest of `task` (a file, or "-") whose payload is one; then the
/// manifest becomes an input of `metrics`, and the "model" that it names, if any, its model. Errors: no_input (neither is there), bad_data
/// (another kind or task, payload no folder).
fs::path predictions_folder(const std::string& input, const std::string& task, manifest::Metrics& metrics);

/// A label image of the truth and the one predicted for it.
struct MaskPair {
  std::string name;                   ///< "blackswan/00012": for messages and the report
  fs::path truth, prediction, image;  ///< image: empty when there is none
};
/// Reads both into buffers that are used again. Errors, all bad_data and naming the file: the prediction is missing or not of the truth's
/// size; what read_labels refuses.
void read_pair(const MaskPair& pair, data::Labels& truth, data::Labels& prediction);
inline metrics::LabelView view_of(const data::Labels& labels) { return {labels.height, labels.width, labels.values}; }

/// The "overlays" breakdowns: the `count` worst, middle and best pairs by `values` (NaN: not shown); equal values in the order given.
/// `unit` is that of the values. `further` is added to each: what an index is ("item"), and names ("labels").
std::vector<manifest::Json> overlays(const std::vector<MaskPair>& pairs, const std::vector<double>& values, const std::string& what,
                                     const std::string& unit, std::int64_t count, const manifest::Json& further);

/// A row with its protocol: `protocol` and what `further` adds to it.
manifest::Row row(const std::string& name, double value, const std::string& unit, const manifest::Json& protocol,
                  const manifest::Json& further = manifest::Json::object());
/// A value of a table: null when it is no finite number.
manifest::Json number(double value);

}  // namespace selfsight::score
