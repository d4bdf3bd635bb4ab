#include "manifest/safetensors.h"

#include "core/digest.h"
#include "core/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>

namespace selfsight::manifest {

using nlohmann::json;

namespace {

constexpr std::uint64_t longest_header = std::uint64_t{100} << 20;  // the reference implementation's bound
constexpr std::size_t longest_name = 4096;                          // the search for prefixes goes through every part of a name
constexpr std::uint64_t largest_size = std::uint64_t{1} << 62;

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const auto side : shape) count *= side;
  return count;
}

}  // namespace

std::int64_t dtype_size(const std::string& dtype) {
  static const std::map<std::string, std::int64_t> sizes = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                            {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  const auto it = sizes.find(dtype);
  if (it == sizes.end()) core::fail(core::Exit::bad_data, "unknown tensor type '{}'", dtype);
  return it->second;
}

std::int64_t TensorView::elements() const { return elements_of(shape); }

Safetensors::Safetensors(const core::fs::path& path) : path_(path), file_(path) {
  const auto bytes = file_.bytes();
  const auto refuse = [&](const std::string& what) { core::fail(core::Exit::bad_data, "{}: {}", path_.string(), what); };
  if (bytes.empty()) refuse("is empty");
  if (bytes.size() < 8) refuse("too short for a safetensors file");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > longest_header || header_size > bytes.size() - 8)
    refuse(fmt::format("no safetensors file, or a truncated one (its header claims {} bytes, the file has {})", header_size, bytes.size()));
  const auto* text = reinterpret_cast<const char*>(bytes.data() + 8);
  const json header = json::parse(text, text + header_size, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) refuse("its header is not a JSON object");
  const auto data = bytes.subspan(8 + header_size);

  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
  for (const auto& [name, entry] : header.items()) {
    const auto wrong = [&, &key = name](const std::string& what) { refuse(fmt::format("tensor '{}': {}", key, what)); };
    if (name == "__metadata__") {
      if (!entry.is_object()) wrong("is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) wrong(fmt::format("'{}' is not text", key));
        metadata_.emplace(key, value.get<std::string>());
      }
      continue;
    }
    if (name.size() > longest_name) refuse(fmt::format("tensor '{}...': a name of {} letters", name.substr(0, 40), name.size()));
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
        !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
        entry["data_offsets"].size() != 2)
      wrong("lacks dtype, shape or data_offsets");
    TensorView view;
    view.dtype = entry["dtype"].get<std::string>();
    std::uint64_t size = 0;
    try {
      size = static_cast<std::uint64_t>(dtype_size(view.dtype));
    } catch (const core::Error& error) {
      wrong(error.what());
    }
    for (const auto& side : entry["shape"]) {
      if (!side.is_number_unsigned()) wrong("its shape is not of whole numbers");
      const auto length = side.get<std::uint64_t>();
      if (length > largest_size || (length != 0 && size > largest_size / length)) wrong("its shape is too large");
      size *= length;
      view.shape.push_back(static_cast<std::int64_t>(length));
    }
    if (!entry["data_offsets"][0].is_number_unsigned() || !entry["data_offsets"][1].is_number_unsigned())
      wrong("its offsets are not whole numbers");
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>(), end = entry["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end > data.size())
      wrong(fmt::format("its data ({} to {}) lies outside the file's {} bytes", begin, end, data.size()));
    if (end - begin != size) wrong(fmt::format("its shape asks for {} bytes, its offsets give {}", size, end - begin));
    if (begin != end) extents.emplace_back(begin, end);
    view.bytes = data.subspan(begin, end - begin);
    tensors_.emplace(name, std::move(view));
  }
  std::sort(extents.begin(), extents.end());
  for (std::size_t i = 1; i < extents.size(); ++i)
    if (extents[i].first < extents[i - 1].second) refuse("two of its tensors overlap");
}

const TensorView& Safetensors::at(const std::string& key) const {
  const auto it = tensors_.find(key);
  if (it != tensors_.end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [name, view] : tensors_) known.push_back(name);
  const std::size_t shown = std::min<std::size_t>(known.size(), 20);
  core::fail(core::Exit::bad_data, "{}: has no tensor '{}' (it has {}: {}{})", path_.string(), key, known.size(),
             fmt::join(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(shown), ", "), shown < known.size() ? ", ..." : "");
}

std::string write_safetensors(const core::fs::path& path, const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::map<std::string, TensorPieces> whole;
  for (const auto& [name, view] : tensors) whole[name] = {view.dtype, view.shape, {view.bytes}};
  return write_safetensors_in_pieces(path, whole, metadata);
}

std::string write_safetensors_in_pieces(const core::fs::path& path, const std::map<std::string, TensorPieces>& tensors,
                                        const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  std::vector<std::pair<std::string, TensorPieces>> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return dtype_size(a.second.dtype) > dtype_size(b.second.dtype); });
  for (const auto& [name, tensor] : order) {
    std::uint64_t length = 0;
    for (const auto& piece : tensor.pieces) length += piece.size();
    if (static_cast<std::uint64_t>(elements_of(tensor.shape) * dtype_size(tensor.dtype)) != length)
      core::fail(core::Exit::internal, "tensor '{}': its shape and its bytes disagree", name);
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + length}}};
    offset += length;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the format allows blanks; data then starts aligned
  const std::uint64_t size = text.size();

  core::Digest digest;
  core::write_atomically_from(path, [&](const core::ByteSink& append) {
    const auto put = [&](std::span<const std::byte> bytes) {
      digest.add(bytes);
      append(bytes);
    };
    put(std::as_bytes(std::span(&size, 1)));
    put(std::as_bytes(std::span(text)));
    for (const auto& [name, tensor] : order)
      for (const auto& piece : tensor.pieces) put(piece);
  });
  return digest.finish();
}

}  // namespace selfsight::manifest
