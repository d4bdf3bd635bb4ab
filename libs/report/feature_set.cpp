#include "report/feature_set.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/threads.h"
#include "data/ops.h"
#include "manifest/payload.h"
#include "report/html.h"
#include "report/record.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace selfsight::report {
namespace {

std::vector<std::int64_t> integers(const manifest::Safetensors& file, const std::string& key, std::int64_t count, const std::string& name) {
  const auto it = file.tensors().find(key);
  if (it == file.tensors().end()) return {};
  if (it->second.dtype != "I64" || it->second.shape != std::vector<std::int64_t>{count}) {
    core::fail(core::Exit::bad_data, "{}: \"{}\" should be {} numbers of type I64", name, key, count);
  }
  std::vector<std::int64_t> out(static_cast<std::size_t>(count));
  std::memcpy(out.data(), it->second.bytes.data(), it->second.bytes.size());
  return out;
}

float dot(std::span<const float> a, std::span<const float> b) {
  constexpr std::size_t lanes = 8;
  float sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= a.size(); i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) sums[l] += a[i + l] * b[i + l];
  }
  for (std::size_t l = 0; i + l < a.size(); ++l) sums[l] += a[i + l] * b[i + l];
  return std::accumulate(sums, sums + lanes, 0.0F);
}

}  // namespace

FeatureSet::FeatureSet(const manifest::Features& features)
    : count_(features.count), dim_(features.dim), split_(features.split), model_(features.model) {
  const std::filesystem::path path = manifest::checked_payload(features.data, "features file", features.origin);
  const std::string name = path.string();
  file_ = std::make_unique<manifest::Safetensors>(path);
  const manifest::TensorView& tensor = file_->at("features");
  if (tensor.dtype != "F32" || tensor.shape != std::vector<std::int64_t>{count_, dim_}) {
    core::fail(core::Exit::bad_data, "{}: \"features\" should be {} x {} of type F32, as {} says", name, count_, dim_, features.origin);
  }
  if (reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0) {
    rows_ = {reinterpret_cast<const float*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(float)};
  } else {
    copied_.resize(tensor.bytes.size() / sizeof(float));
    std::memcpy(copied_.data(), tensor.bytes.data(), tensor.bytes.size());
    rows_ = copied_;
  }
  const auto wrong = std::find_if(rows_.begin(), rows_.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != rows_.end())
    core::fail(core::Exit::bad_data, "{}: row {} holds a value that is not finite", name, (wrong - rows_.begin()) / dim_);

  labels_ = integers(*file_, "labels", count_, name);
  if (std::all_of(labels_.begin(), labels_.end(), [](std::int64_t label) { return label < 0; })) labels_.clear();
  samples_ = integers(*file_, "index", count_, name);
  if (samples_.empty()) {
    samples_.resize(static_cast<std::size_t>(count_));
    std::iota(samples_.begin(), samples_.end(), 0);
  }
  for (std::int64_t i = 0; i < count_; ++i) row_of_[sample(i)] = i;

  dataset_ = manifest::from_json<manifest::Dataset>(features.dataset, features.folder, features.origin + " (data set)");
  const std::size_t names = dataset_.split(split_).labels.size();
  for (const std::int64_t label : labels_) {
    if (names > 0 && label >= static_cast<std::int64_t>(names)) {
      core::fail(core::Exit::bad_data, "{}: label {} is outside the {} names of split '{}'", name, label, names, split_);
    }
  }
  subject_ = model_.is_object() ? model_.value("method", "") : "";
  if (subject_.empty()) subject_ = features.layer;
}

std::int64_t FeatureSet::row_of(std::int64_t sample) const {
  const auto it = row_of_.find(sample);
  return it == row_of_.end() ? -1 : it->second;
}

std::string FeatureSet::label_name(std::int64_t i) const {
  const std::int64_t value = label(i);
  if (value < 0) return "";
  const auto& names = dataset_.split(split_).labels;
  return names.empty() ? std::to_string(value) : names[static_cast<std::size_t>(value)];
}

std::string picture_uri(const data::Image& image, std::int64_t png_up_to) {
  const bool small = std::max(image.height, image.width) <= png_up_to;
  return small ? data_uri("image/png", data::encode_png(image)) : data_uri("image/jpeg", data::encode_jpeg(image, 85));
}

data::Image shrunk(data::Image image, std::int64_t side) {
  const std::int64_t longest = std::max(image.height, image.width);
  if (longest <= side) return image;
  const auto scaled = [&](std::int64_t length) { return std::max<std::int64_t>(1, (length * side + longest / 2) / longest); };
  data::Image small;
  data::crop_resize(image, {0, 0, image.width, image.height}, scaled(image.height), scaled(image.width), data::Interpolation::bilinear,
                    false, small);
  return small;
}

namespace {

/// What the data layer says, with the option that does without.
template <class Body>
auto with_way_out(Body&& body) {
  try {
    return body();
  } catch (const core::Error& error) {
    core::fail(error.exit(), "{} (--no-images makes the page without the images)", error.what());
  }
}

}  // namespace

const data::Source& Thumbnails::source(const manifest::Dataset& dataset, const std::string& split) {
  auto& source = sources_[dataset.name + '\n' + dataset.split(split).root.string() + '\n' + split];
  if (!source) source = with_way_out([&] { return data::open_split(dataset.split(split)); });
  return *source;
}

data::Image Thumbnails::image(const manifest::Dataset& dataset, const std::string& split, std::int64_t sample, std::int64_t side) {
  const data::Source& from = source(dataset, split);
  if (sample < 0 || sample >= from.size()) {
    core::fail(core::Exit::bad_data, "{}: sample {} is outside the {} of split '{}'", dataset.origin, sample, from.size(), split);
  }
  try {
    return shrunk(data::decode(from.read(sample), from.channels(), from.name(sample)), side);
  } catch (const core::Error& error) {  // a run may have left it out
    core::log_warning("{}: shown as a grey field", error.what());
    data::Image grey(side, side, from.channels());
    std::fill(grey.pixels.begin(), grey.pixels.end(), std::uint8_t{128});
    return grey;
  }
}

std::string Thumbnails::uri(const manifest::File& file, const std::string& origin, std::int64_t side) {
  std::string& made = made_[fmt::format("\n{}\n{}\n{}", file.path.string(), file.digest, side)];
  if (!made.empty()) return made;
  data::Stored stored;
  stored.owned = core::read_bytes(manifest::checked_payload(file, "image", origin));
  stored.bytes = stored.owned;
  return made = picture_uri(shrunk(data::decode(stored, 3, file.path.string()), side));
}

std::string Thumbnails::uri(const manifest::Dataset& dataset, const std::string& split, std::int64_t sample) {
  std::string& made = made_[dataset.name + '\n' + dataset.split(split).root.string() + '\n' + split + '\n' + std::to_string(sample)];
  if (made.empty()) made = picture_uri(image(dataset, split, sample));
  return made;
}

std::vector<std::int64_t> Thumbnails::labels(const manifest::Dataset& dataset, const std::string& split) {
  return data::labels_of(source(dataset, split));
}

std::vector<std::vector<Neighbour>> cosine_neighbours(const FeatureSet& queries, const std::vector<std::int64_t>& rows,
                                                      const FeatureSet& keys, std::int64_t k, int threads) {
  if (queries.dim() != keys.dim()) {
    core::fail(core::Exit::bad_data, "features of '{}' have {} numbers and those of '{}' {}: they are not of one model", queries.split(),
               queries.dim(), keys.split(), keys.dim());
  }
  const auto inverse_norm = [](std::span<const float> row) { return 1.0 / std::max(1e-12, std::sqrt(static_cast<double>(dot(row, row)))); };
  std::vector<double> inverse(static_cast<std::size_t>(keys.count()));
  core::parallel_for(keys.count(), 512, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) inverse[static_cast<std::size_t>(i)] = inverse_norm(keys.row(i));
  });
  std::vector<std::vector<Neighbour>> out(rows.size());
  core::parallel_for(static_cast<std::int64_t>(rows.size()), 1, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t q = begin; q < end; ++q) {
      const std::int64_t row = rows[static_cast<std::size_t>(q)];
      const std::int64_t same = queries.split() == keys.split() ? keys.row_of(queries.sample(row)) : -1;
      const double query_inverse = inverse_norm(queries.row(row));
      std::vector<Neighbour> all;
      all.reserve(static_cast<std::size_t>(keys.count()));
      for (std::int64_t i = 0; i < keys.count(); ++i) {
        if (i != same)
          all.push_back(
              {i, static_cast<double>(dot(queries.row(row), keys.row(i))) * query_inverse * inverse[static_cast<std::size_t>(i)]});
      }
      const auto middle = all.begin() + std::min<std::ptrdiff_t>(k, static_cast<std::ptrdiff_t>(all.size()));
      std::partial_sort(all.begin(), middle, all.end(),
                        [](const Neighbour& a, const Neighbour& b) { return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row; });
      out[static_cast<std::size_t>(q)].assign(all.begin(), middle);
    }
  });
  return out;
}

}  // namespace selfsight::report
