#include "score/features.h"

#include "core/error.h"
#include "manifest/payload.h"
#include "score/table.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::TensorView;

namespace {

template <class T>
double stored(const TensorView& view, std::int64_t i) {
  T value;
  std::memcpy(&value, view.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

double half(const TensorView& view, std::int64_t i) {
  const auto bits = static_cast<std::uint16_t>(stored<std::uint16_t>(view, i));
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size = exponent == 31  ? (fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN())
                      : exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 == 0 ? size : -size;
}

double brain_half(const TensorView& view, std::int64_t i) {
  const auto bits = static_cast<std::uint32_t>(stored<std::uint16_t>(view, i)) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

}  // namespace

double element(const TensorView& view, std::int64_t i) {
  if (view.dtype == "F32") return stored<float>(view, i);
  if (view.dtype == "F64") return stored<double>(view, i);
  if (view.dtype == "F16") return half(view, i);
  if (view.dtype == "BF16") return brain_half(view, i);
  if (view.dtype == "I64") return stored<std::int64_t>(view, i);
  if (view.dtype == "I32") return stored<std::int32_t>(view, i);
  if (view.dtype == "I16") return stored<std::int16_t>(view, i);
  if (view.dtype == "I8") return stored<std::int8_t>(view, i);
  return stored<std::uint8_t>(view, i);  // U8, BOOL
}

std::vector<std::int64_t> whole_numbers(const TensorView& view, const std::string& what) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < view.elements(); ++i) {
    const double value = element(view, i);
    if (!(std::fabs(value) <= 0x1p53) || value != std::floor(value))
      fail(Exit::bad_data, "{}: entry {} ({}) is not a whole number", what, i, value);
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

bool is_array_file(const manifest::fs::path& path) {
  const auto ending = path.extension();
  return ending == ".npy" || ending == ".safetensors" || ending == ".npz";
}

ArrayFile::ArrayFile(const manifest::fs::path& path) : path_(path.string()) {
  if (path.extension() == ".npy" || path.extension() == ".npz") {
    npy_ = std::make_unique<manifest::Npy>(path);
    arrays_.emplace("", npy_->tensor());
  } else if (path.extension() == ".safetensors") {
    safetensors_ = std::make_unique<manifest::Safetensors>(path);
    arrays_ = safetensors_->tensors();
  } else {
    fail(Exit::bad_data, "{}: is neither .npy nor .safetensors", path_);
  }
}

const TensorView& ArrayFile::at(const std::string& name) const {
  if (const auto it = arrays_.find(name); it != arrays_.end()) return it->second;
  if (arrays_.size() == 1) return arrays_.begin()->second;
  std::vector<std::string> known;
  for (const auto& [key, view] : arrays_) known.push_back(key);
  fail(Exit::bad_data, "{}: has no array '{}' (it has {})", path_, name, fmt::join(known, ", "));
}

FeatureFile::FeatureFile(const std::string& path) : name_(path) {
  if (is_array_file(path)) {
    file_ = std::make_unique<ArrayFile>(path);
    input_ = file_entry(path);
  } else {
    const manifest::Document document = manifest::read_document(path);
    manifest_ = manifest::from_json<manifest::Features>(document.json, document.folder, document.origin);
    input_ = manifest::input_entry(document.kind, document.origin, document.json);
    const auto data = manifest::checked_payload(manifest_->data, "features file", document.origin);
    name_ = data.string();
    file_ = std::make_unique<ArrayFile>(data);
  }
  const TensorView& view = file_->at("features");
  if (view.shape.size() != 2)
    fail(Exit::bad_data, "{}: features should be a matrix (rows x dimensions), not of shape ({})", name_, fmt::join(view.shape, ", "));
  rows_.count = view.shape[0];
  rows_.dim = view.shape[1];
  if (rows_.count == 0 || rows_.dim == 0) fail(Exit::bad_data, "{}: has no features ({} x {})", name_, rows_.count, rows_.dim);
  if (manifest_ && (manifest_->count != rows_.count || manifest_->dim != rows_.dim))
    fail(Exit::bad_data, "{}: has {} x {} features where {} says {} x {}", name_, rows_.count, rows_.dim, manifest_->origin,
         manifest_->count, manifest_->dim);
  if (view.dtype == "F32" && reinterpret_cast<std::uintptr_t>(view.bytes.data()) % alignof(float) == 0) {
    rows_.values = {reinterpret_cast<const float*>(view.bytes.data()), static_cast<std::size_t>(view.elements())};
    return;
  }
  copied_.reserve(static_cast<std::size_t>(view.elements()));
  for (std::int64_t i = 0; i < view.elements(); ++i) copied_.push_back(static_cast<float>(element(view, i)));
  rows_.values = copied_;
}

std::vector<std::int64_t> FeatureFile::numbers(const std::string& array) const {
  if (!file_->has(array) || array.empty()) return {};
  const std::string what = fmt::format("{}: '{}'", name_, array);
  const TensorView& view = file_->at(array);
  if (view.shape != std::vector<std::int64_t>{rows_.count})
    fail(Exit::bad_data, "{} should have one entry for each of the {} rows, its shape is ({})", what, rows_.count,
         fmt::join(view.shape, ", "));
  return whole_numbers(view, what);
}

void FeatureFile::check(metrics::Distance distance, int threads) const {
  const std::int64_t row = metrics::unrankable_row(rows_, distance, threads);
  if (row < 0) return;
  const float* values = rows_.row(row);
  for (std::int64_t k = 0; k < rows_.dim; ++k)
    if (!(std::fabs(values[k]) <= 1e15F))
      fail(Exit::bad_data, "{}: row {}, dimension {} is {}: {}", name_, row, k, values[k],
           std::isfinite(values[k]) ? "too large to be squared in float32 (1e15 at most)" : "features must be finite numbers");
  fail(Exit::bad_data, "{}: row {} is zero, and has no cosine to any other", name_, row);
}

}  // namespace selfsight::score
