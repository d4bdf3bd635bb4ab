#include "score/people.h"

#include "core/error.h"
#include "data/source.h"
#include "score/table.h"

#include <charconv>

namespace selfsight::score {

using core::Exit;
using core::fail;
namespace fs = manifest::fs;

namespace {

void take_names(People& people, const std::vector<std::string>& names, const std::string& where) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto sighting = market_name(names[i]);
    if (!sighting)
      fail(Exit::bad_data, "{}: '{}' (row {}) does not name identity and camera as 0002_c1s1_000451_03.jpg does", where, names[i], i);
    people.sightings.push_back(*sighting);
  }
  people.cameras = true;
  people.source = "file names";
}

void take_images(People& people, const std::vector<std::string>& paths, const fs::path& folder) {
  for (const auto& path : paths) {
    const fs::path image = folder / path;
    std::error_code error;
    people.images.push_back(fs::is_regular_file(image, error) ? core::absolute_path(image) : fs::path());
    people.names.push_back(fs::path(path).filename().string());
  }
}

void from_array(People& people, const ArrayFile& file, const std::string& path, std::int64_t rows) {
  const manifest::TensorView& view = file.at("identity");
  const bool pairs = view.shape.size() == 2 && view.shape[1] == 2;
  if (view.shape.empty() || view.shape[0] != rows || !(pairs || view.shape.size() == 1))
    fail(Exit::bad_data, "{}: should be identities ({}) or identity and camera ({} x 2), its shape is ({})", path, rows, rows,
         fmt::join(view.shape, ", "));
  const auto numbers = whole_numbers(view, path);
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i)
    people.sightings.push_back(pairs ? metrics::Sighting{numbers[2 * i], numbers[2 * i + 1]} : metrics::Sighting{numbers[i], 0});
  people.cameras = pairs;
  people.source = "items file";
}

void from_table(People& people, const std::string& path, const std::string& images, std::int64_t rows) {
  const Table table =
      Table::read(path, fs::path(path).extension() == ".txt" ? std::vector<std::string>{"path"} : std::vector<std::string>{});
  if (table.size() != static_cast<std::size_t>(rows))
    fail(Exit::bad_data, "{}: names {} items, the features have {} rows", path, table.size(), rows);
  const std::string file = table.column({"path", "image", "file", "name"}), identity = table.column({"identity", "pid"}),
                    camera = table.column({"camera", "camid"});
  std::vector<std::string> paths;
  for (std::size_t i = 0; !file.empty() && i < table.size(); ++i) paths.push_back(table.text(i, file));
  if (identity.empty()) {
    if (file.empty()) table.lacks("identity (with camera), nor one of path, image, file, name");
    take_names(people, paths, path);
  } else {
    for (std::size_t i = 0; i < table.size(); ++i)
      people.sightings.push_back({table.integer(i, identity), camera.empty() ? 0 : table.integer(i, camera)});
    people.cameras = !camera.empty();
    people.source = "items file";
  }
  take_images(people, paths, images.empty() ? core::absolute_path(path).parent_path() : fs::path(images));
}

/// Names of a features manifest's rows, as its data set has them; empty without one.
std::vector<std::string> sample_names(const FeatureFile& features, fs::path& folder) {
  if (!features.manifest() || !features.manifest()->dataset.is_object()) return {};
  const auto& manifest = *features.manifest();
  const auto dataset = manifest::from_json<manifest::Dataset>(manifest.dataset, manifest.folder, manifest.origin);
  if (!dataset.splits.contains(manifest.split)) return {};
  const auto& split = dataset.split(manifest.split);
  std::error_code error;
  if (!fs::exists(split.root, error)) return {};
  const auto source = data::open_split(split);
  auto samples = features.numbers("index");
  if (samples.empty())
    for (std::int64_t i = 0; i < features.rows().count; ++i) samples.push_back(i);
  std::vector<std::string> out;
  for (const auto sample : samples) {
    if (sample < 0 || sample >= source->size())
      fail(Exit::bad_data, "{}: row {} is of sample {}, the data set has {}", features.name(), out.size(), sample, source->size());
    out.push_back(source->name(sample));
  }
  folder = split.root.parent_path();
  return out;
}

}  // namespace

std::optional<metrics::Sighting> market_name(const fs::path& file) {
  const std::string stem = file.filename().string();
  metrics::Sighting out;
  const char *at = stem.data(), *last = stem.data() + stem.size();
  const auto number = [&](std::int64_t& value) {
    const auto [end, error] = std::from_chars(at, last, value);
    at = end;
    return error == std::errc{};
  };
  if (!number(out.identity) || last - at < 2 || at[0] != '_' || at[1] != 'c') return std::nullopt;
  at += 2;
  if (!number(out.camera) || out.camera < 0 || at == last || (*at != 's' && *at != '_')) return std::nullopt;
  return out;
}

People read_people(const FeatureFile& features, const std::string& items, const std::string& images, const std::string& identity_array,
                   const std::string& camera_array) {
  People people;
  const std::int64_t rows = features.rows().count;
  const auto identities = features.numbers(identity_array), cameras = features.numbers(camera_array);
  fs::path folder;
  if (!images.empty()) core::need_folder(images, "--images");
  people.file = items.empty() ? features.name() : items;
  if (is_array_file(items)) {
    from_array(people, ArrayFile(items), items, rows);
  } else if (!items.empty()) {
    from_table(people, items, images, rows);
  } else if (!identities.empty()) {
    for (std::size_t i = 0; i < identities.size(); ++i) people.sightings.push_back({identities[i], cameras.empty() ? 0 : cameras[i]});
    people.cameras = !cameras.empty();
    people.source = fmt::format("array '{}'", identity_array);
  } else if (const auto names = sample_names(features, folder); !names.empty() && market_name(names.front())) {
    take_names(people, names, features.name());
    take_images(people, names, images.empty() ? folder : fs::path(images));
  } else if (const auto labels = features.manifest() ? features.numbers("labels") : std::vector<std::int64_t>(); !labels.empty()) {
    for (const auto label : labels) people.sightings.push_back({label, 0});
    people.source = "labels";
    take_images(people, names, images.empty() ? folder : fs::path(images));
  } else {
    fail(Exit::bad_data, "{}: does not say who is on its rows: give --query-items and --gallery-items, or an array '{}' in the file",
         features.name(), identity_array);
  }
  if (people.names.empty())
    for (std::int64_t i = 0; i < rows; ++i) people.names.push_back(fmt::format("row {}", i));
  people.images.resize(people.names.size());
  return people;
}

}  // namespace selfsight::score
