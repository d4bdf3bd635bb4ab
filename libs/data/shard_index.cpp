#include "data/shard_index.h"

#include "core/error.h"
#include "manifest/safetensors.h"

#include <libdeflate.h>
#include <nlohmann/json.hpp>

namespace selfsight::data {
namespace {

template <class Values>
manifest::TensorView column(const Values& values, const char* dtype) {
  return {dtype, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

}  // namespace

std::int32_t header_mark(std::span<const std::byte> header) {
  return static_cast<std::int32_t>(libdeflate_crc32(0, header.data(), header.size()));
}

void ShardIndex::add(std::size_t shard, const Row& row) {
  shard_.push_back(static_cast<std::int32_t>(shard));
  offset_.push_back(row.offset);
  size_.push_back(row.size);
  label_.push_back(row.label);
  header_.push_back(row.header);
  names_ += row.name;
  name_end_.push_back(static_cast<std::int64_t>(names_.size()));
}

std::string ShardIndex::write(const core::fs::path& path) const {
  nlohmann::json shards = nlohmann::json::array();
  for (const File& file : files) shards.push_back({{"file", file.name}, {"bytes", file.bytes}, {"digest", file.digest}});
  std::string shards_text, labels_text;
  try {
    shards_text = shards.dump();
    labels_text = nlohmann::json(labels).dump();
  } catch (const nlohmann::json::type_error& error) {  // file names may hold any bytes, JSON may not
    core::fail(core::Exit::bad_data, "{}: the name of a shard or class is not UTF-8: {}", path.string(), error.what());
  }
  return manifest::write_safetensors(
      path,
      {{"shard", column(shard_, "I32")},
       {"header", column(header_, "I32")},
       {"offset", column(offset_, "I64")},
       {"size", column(size_, "I64")},
       {"label", column(label_, "I64")},
       {"name_end", column(name_end_, "I64")},
       {"names", column(names_, "U8")}},
      {{"format", shard_index_format}, {"channels", std::to_string(channels)}, {"shards", shards_text}, {"labels", labels_text}});
}

bool is_shard_index(const core::fs::path& path) {
  try {
    const manifest::Safetensors file(path);
    const auto format = file.metadata().find("format");
    return format != file.metadata().end() && format->second.starts_with("selfsight-shards-");
  } catch (const core::Error&) {
    return false;
  }
}

}  // namespace selfsight::data
