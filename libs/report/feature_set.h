// Features of a split as a features manifest names them, the images behind them, and what lies near what.
#pragma once

#include "data/source.h"
#include "manifest/manifest.h"
#include "manifest/safetensors.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace selfsight::report {

/// PNG for pictures up to 64 pixels a side, whose edges JPEG would blur, and JPEG for larger ones.
std::string picture_uri(const data::Image& image, std::int64_t png_up_to = 64);

/// The image with its longest side at most `side`; smaller ones are kept as they are.
data::Image shrunk(data::Image image, std::int64_t side);

/// Features in memory (mapped), rows of F32.
class FeatureSet {
 public:
  /// Errors: no_input, bad_data (digest, shapes that disagree with the manifest, labels outside the names, values not finite).
  explicit FeatureSet(const manifest::Features& features);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t dim() const { return dim_; }
  [[nodiscard]] std::span<const float> rows() const { return rows_; }
  [[nodiscard]] std::span<const float> row(std::int64_t i) const {
    return rows_.subspan(static_cast<std::size_t>(i * dim_), static_cast<std::size_t>(dim_));
  }
  [[nodiscard]] std::int64_t label(std::int64_t i) const { return labels_.empty() ? -1 : labels_[static_cast<std::size_t>(i)]; }
  /// Sample index in the split.
  [[nodiscard]] std::int64_t sample(std::int64_t i) const { return samples_[static_cast<std::size_t>(i)]; }
  /// The row of a sample, or -1.
  [[nodiscard]] std::int64_t row_of(std::int64_t sample) const;
  /// The label's name, its number where it has no name, "" without a label.
  [[nodiscard]] std::string label_name(std::int64_t i) const;
  [[nodiscard]] bool labelled() const { return !labels_.empty(); }

  [[nodiscard]] const std::string& subject() const { return subject_; }  ///< whose features: "simclr", "pixels"
  [[nodiscard]] const std::string& split() const { return split_; }
  [[nodiscard]] const manifest::Dataset& dataset() const { return dataset_; }
  [[nodiscard]] const manifest::Json& model() const { return model_; }

 private:
  std::unique_ptr<manifest::Safetensors> file_;
  std::vector<float> copied_;
  std::span<const float> rows_;
  std::vector<std::int64_t> labels_, samples_;
  std::map<std::int64_t, std::int64_t> row_of_;
  std::int64_t count_ = 0, dim_ = 0;
  std::string subject_, split_;
  manifest::Dataset dataset_;
  manifest::Json model_;
};

/// Small pictures of samples, each source opened once. Errors: as the source's, with the way out.
class Thumbnails {
 public:
  /// Longest side at most `side`; smaller images are kept as they are.
  data::Image image(const manifest::Dataset& dataset, const std::string& split, std::int64_t sample, std::int64_t side = 96);
  /// The same as a data URI, made once.
  std::string uri(const manifest::Dataset& dataset, const std::string& split, std::int64_t sample);
  /// A picture file that a manifest (`origin`) names. Errors: no_input, bad_data, without a word of --no-images.
  std::string uri(const manifest::File& file, const std::string& origin, std::int64_t side = 128);
  /// Labels of a whole split; -1 where absent.
  std::vector<std::int64_t> labels(const manifest::Dataset& dataset, const std::string& split);

 private:
  const data::Source& source(const manifest::Dataset& dataset, const std::string& split);

  std::map<std::string, std::shared_ptr<const data::Source>> sources_;
  std::map<std::string, std::string> made_;
};

struct Neighbour {
  std::int64_t row = 0;
  double cosine = 0;
};

/// The `k` rows of `keys` with the largest cosine to each of the rows of `queries` that are named, in order; equal ones in the order of
/// rows. A row of the same sample is left out where both are of one split. Exact; the same for any number of threads.
std::vector<std::vector<Neighbour>> cosine_neighbours(const FeatureSet& queries, const std::vector<std::int64_t>& rows,
                                                      const FeatureSet& keys, std::int64_t k, int threads);

}  // namespace selfsight::report
