#include "tasks/embed_shards.h"

#include "core/error.h"
#include "manifest/paths.h"
#include "manifest/payload.h"
#include "tasks/probe_subject.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace selfsight::tasks {

namespace {

using manifest::Json;

std::string shard_text(const manifest::Shard& shard) { return fmt::format("{}/{}", shard.index, shard.count); }

/// Error: bad_data when `part` cannot be of the same whole as `first`.
void check_belongs(const manifest::Features& part, const manifest::Features& first) {
  const auto check = [&](bool same, const std::string& what) {
    if (!same) core::fail(core::Exit::bad_data, "{}: {} than {}; these are no shards of one whole", part.origin, what, first.origin);
  };
  check(part.shard->count == first.shard->count,
        fmt::format("is shard {}, so of another number of shards ({})", shard_text(*part.shard), part.shard->count));
  check(part.split == first.split, fmt::format("is of another split ('{}')", part.split));
  check(part.layer == first.layer, fmt::format("is of another layer ({})", part.layer));
  check(manifest::without_provenance(part.model) == manifest::without_provenance(first.model) && part.dim == first.dim,
        "is of another model");
  check(manifest::without_provenance(part.dataset) == manifest::without_provenance(first.dataset) &&
            part.shard->samples == first.shard->samples,
        "is of another data set");
  check(part.shard->max_bad == first.shard->max_bad, "was made with another --on-bad or --max-bad");
}

/// The whole numbers of a tensor, which may lie anywhere.
std::vector<std::int64_t> numbers(const manifest::TensorView& view) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(view.elements()));
  if (!out.empty()) std::memcpy(out.data(), view.bytes.data(), view.bytes.size());
  return out;
}

/// The shards of 0 to `count` - 1 that are not among `there` (ascending), by name; the first twenty.
std::string missing_shards(const std::vector<std::int64_t>& there, std::int64_t count) {
  std::vector<std::string> missing;
  std::size_t next = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (next < there.size() && there[next] == i) {
      ++next;
    } else if (missing.size() == 20) {
      missing.emplace_back("...");
      break;
    } else {
      missing.push_back(fmt::format("{}/{}", i, count));
    }
  }
  return fmt::format("{}", fmt::join(missing, ", "));
}

/// Where the bad images stand in a features manifest.
Json bad_items(const manifest::Features& features) { return features.extra.value("bad_items", Json::array()); }

}  // namespace

manifest::Shard parse_shard(const std::string& text) {
  manifest::Shard shard;
  const char *begin = text.data(), *end = begin + text.size();
  const auto [slash, first] = std::from_chars(begin, end, shard.index);
  const bool has_count = first == std::errc() && slash != end && *slash == '/';
  const auto [stop, second] = std::from_chars(has_count ? slash + 1 : end, end, shard.count);
  if (!has_count || second != std::errc() || stop != end || shard.index < 0 || shard.index >= shard.count)
    core::fail(core::Exit::usage, "--shard: '{}' is no I/N: which of N shards, I from 0 to N-1", text);
  return shard;
}

SampleRange range_of(const manifest::Shard& shard) {
  const std::int64_t each = shard.samples / shard.count, more = shard.samples % shard.count;
  const std::int64_t begin = shard.index * each + std::min(shard.index, more);
  return {begin, begin + each + (shard.index < more ? 1 : 0)};
}

/// Makes sure that the payload has just the samples of its shard, but for the bad ones, in order.
void Shards::open_payload(Part& part) {
  const manifest::Features& features = part.features;
  const auto file = manifest::checked_payload(features.data, "features file", features.origin);
  part.tensors = std::make_shared<manifest::Safetensors>(file);
  const auto check = [&](const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape) {
    const manifest::TensorView& view = part.tensors->at(name);
    if (view.dtype != dtype || view.shape != shape)
      core::fail(core::Exit::bad_data, "{}: '{}' is {} ({}) where {} says {} ({})", file.string(), name, view.dtype,
                 fmt::join(view.shape, ", "), features.origin, dtype, fmt::join(shape, ", "));
  };
  check("features", "F32", {features.count, features.dim});
  check("labels", "I64", {features.count});
  check("index", "I64", {features.count});

  const SampleRange range = range_of(*features.shard);
  const auto missing = range.end - range.begin - features.count;
  if (const auto listed = static_cast<std::int64_t>(bad_items(features).size()); listed != missing)
    core::fail(core::Exit::bad_data, "{}: lists {} bad images where {} of shard {} are missing", features.origin, listed, missing,
               shard_text(*features.shard));
  std::int64_t next = range.begin;
  for (const std::int64_t place : numbers(part.tensors->at("index"))) {
    if (place < next || place >= range.end)
      core::fail(core::Exit::bad_data, "{}: has sample {} where shard {} has {} to {} in order", file.string(), place,
                 shard_text(*features.shard), range.begin, range.end - 1);
    for (; next < place; ++next) part.left_out.push_back(next);
    ++next;
  }
  for (; next < range.end; ++next) part.left_out.push_back(next);
}

Shards::Shards(const std::vector<std::string>& files) {
  if (files.empty()) core::fail(core::Exit::usage, "name the manifests of the shards: ssl-embed merge -o DIR PART.json PART.json ...");
  for (const auto& file : files) {
    const manifest::Document document = manifest::read_document(file);
    parts_.push_back({manifest::features_or_part(document.json, document.folder, document.origin),
                      manifest::input_entry("features", document.origin, document.json),
                      nullptr,
                      {}});
    const manifest::Features& part = parts_.back().features;
    if (!part.shard) core::fail(core::Exit::bad_data, "{}: is no shard, but all of split '{}'", part.origin, part.split);
    check_belongs(part, parts_.front().features);
  }
  std::stable_sort(parts_.begin(), parts_.end(),
                   [](const Part& a, const Part& b) { return a.features.shard->index < b.features.shard->index; });
  std::vector<std::int64_t> there;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const manifest::Features& part = parts_[i].features;
    if (i > 0 && part.shard->index == there.back())
      core::fail(core::Exit::bad_data, "{}: is shard {}, and so is {}", part.origin, shard_text(*part.shard),
                 parts_[i - 1].features.origin);
    there.push_back(part.shard->index);
  }
  const manifest::Features& first = parts_.front().features;
  if (static_cast<std::int64_t>(parts_.size()) < first.shard->count)
    core::fail(core::Exit::bad_data, "{}: of its {} shards there are {}; missing: {}", first.origin, first.shard->count, parts_.size(),
               missing_shards(there, first.shard->count));
  std::int64_t bad = 0;
  for (Part& part : parts_) {
    open_payload(part);
    bad += static_cast<std::int64_t>(part.left_out.size());
  }
  check_bad_share(bad, first.shard->samples, first.shard->max_bad.value_or(0), first.origin, first.split);
}

manifest::Features Shards::merge(const manifest::fs::path& payload) const {
  manifest::Features out = parts_.front().features;
  out.shard.reset();
  out.folder = payload.parent_path();
  out.extra = Json::object();
  out.count = 0;
  OpenSplit split;
  Json bad = Json::array();
  std::map<std::string, manifest::TensorPieces> tensors = {
      {"features", {"F32", {}, {}}}, {"labels", {"I64", {}, {}}}, {"index", {"I64", {}, {}}}};
  for (const Part& part : parts_) {
    for (auto& [name, tensor] : tensors) tensor.pieces.push_back(part.tensors->at(name).bytes);
    for (const std::int64_t place : part.left_out) split.left_out.push_back({place, 0, "", ""});
    for (const auto& item : bad_items(part.features)) bad.push_back(item);
    out.count += part.features.count;
    out.inputs.push_back(part.input);
  }
  tensors["features"].shape = {out.count, out.dim};
  tensors["labels"].shape = tensors["index"].shape = {out.count};
  if (!bad.empty()) out.extra["bad_items"] = std::move(bad);

  // What one run over the whole split would have written them under.
  const auto model = manifest::from_json<manifest::Model>(out.model, out.folder, out.origin);
  split.name = out.split;
  split.digest = manifest::from_json<manifest::Dataset>(out.dataset, out.folder, out.origin).split(out.split).digest;
  const std::string key = features_key(model_identity(model, out.layer), split);
  std::vector<std::span<const std::byte>> content;
  for (const char* name : {"features", "labels", "index"})
    for (const auto& piece : tensors.at(name).pieces) content.push_back(piece);
  out.data = {payload, manifest::write_safetensors_in_pieces(payload, tensors, features_metadata(key, content)), {}};
  return out;
}

}  // namespace selfsight::tasks
