// Features and other arrays from files: our features manifests, safetensors and .npy.
#pragma once

#include "manifest/manifest.h"
#include "manifest/npy.h"
#include "manifest/safetensors.h"
#include "metrics/distance.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace selfsight::score {

/// Whether a file's ending says that it holds arrays; .npz is told of as what ArrayFile does not read.
bool is_array_file(const manifest::fs::path& path);

/// The named arrays of a file: those of a safetensors file, or the one of a .npy file as "". Mapped.
class ArrayFile {
 public:
  /// By the file's ending, .npy or .safetensors. Errors: no_input; bad_data, also for another ending.
  explicit ArrayFile(const manifest::fs::path& path);
  /// The array `name`, or the only one. Error: bad_data, naming those there are.
  [[nodiscard]] const manifest::TensorView& at(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return arrays_.contains(name); }

 private:
  std::string path_;
  std::unique_ptr<manifest::Safetensors> safetensors_;
  std::unique_ptr<manifest::Npy> npy_;
  std::map<std::string, manifest::TensorView> arrays_;
};

/// Element `i` of an array of any number type.
double element(const manifest::TensorView& view, std::int64_t i);
/// All as whole numbers. Error: bad_data naming `what` when one is not.
std::vector<std::int64_t> whole_numbers(const manifest::TensorView& view, const std::string& what);

/// Rows of float32 with the whole numbers stored beside them.
class FeatureFile {
 public:
  /// `path`: a features manifest ("-" too), or a file with a matrix: .npy, or safetensors with "features" or a single array. float32 is
  /// mapped, other types are rounded to it. Errors: no_input; bad_data naming the file: not a matrix of numbers, no rows, other sizes than
  /// the manifest says.
  explicit FeatureFile(const std::string& path);

  [[nodiscard]] const metrics::Rows& rows() const { return rows_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Whole numbers, one a row, stored as `array` in the same file; empty when there is none. Error: bad_data for another size.
  [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& array) const;
  [[nodiscard]] const std::optional<manifest::Features>& manifest() const { return manifest_; }
  /// For a manifest's inputs.
  [[nodiscard]] const manifest::Json& input() const { return input_; }
  /// Error: bad_data naming file and row, when a row cannot be ranked by this distance.
  void check(metrics::Distance distance, int threads) const;

 private:
  std::string name_;
  std::optional<manifest::Features> manifest_;
  manifest::Json input_;
  std::unique_ptr<ArrayFile> file_;
  std::vector<float> copied_;
  metrics::Rows rows_;
};

}  // namespace selfsight::score
