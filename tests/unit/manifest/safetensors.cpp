#include "manifest/safetensors.h"

#include "core/digest.h"
#include "core/rng.h"
#include "unit/support.h"

#include <cstring>

using namespace selfsight;
using core::Exit;
using core::read_bytes;
using manifest::Safetensors;
using manifest::TensorView;
using manifest::write_safetensors;
using test::contains;
using test::error_of;
using test::Folder;

namespace {

namespace fs = core::fs;

template <class T>
TensorView view(const char* dtype, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values))};
}

/// A file from a header as written and `size` bytes of data.
fs::path file_with(const Folder& folder, const std::string& header, std::size_t size, std::uint64_t claimed = 0) {
  const std::uint64_t length = claimed != 0 ? claimed : header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  test::write_plainly(folder / "f.safetensors", text + header + std::string(size, 'x'));
  return folder / "f.safetensors";
}

std::string refused(const Folder& folder, const std::string& header, std::size_t size, std::uint64_t claimed = 0) {
  const fs::path path = file_with(folder, header, size, claimed);
  const std::string message = error_of(Exit::bad_data, [&] { Safetensors file(path); });
  CHECK(message.starts_with(path.string() + ": "));
  return message.substr(std::min(message.size(), path.string().size() + 2));
}

}  // namespace

TEST_CASE("tensors of every type go to a file and come back, aligned, and the same content gives the same bytes") {
  const Folder folder;
  const std::vector<float> floats = {1, -2, 3, 4, 5, 6};
  const std::vector<std::int64_t> longs = {1, 2};
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  const std::vector<double> scalar = {0.5};
  const std::vector<std::uint16_t> halves = {7};
  const std::map<std::string, TensorView> tensors = {
      {"b", view("F32", {2, 3}, floats)}, {"a", view("U8", {3}, bytes)},    {"c", view("I64", {2}, longs)},
      {"d", view("F64", {}, scalar)},     {"e", view("BF16", {1}, halves)}, {"empty", view("F32", {0, 4}, std::vector<float>())}};
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"note", "\"quoted\" ü"}};
  const std::string digest = write_safetensors(folder / "x.safetensors", tensors, metadata);
  CHECK(digest == core::digest_of_file(folder / "x.safetensors"));
  CHECK(write_safetensors(folder / "y.safetensors", tensors, metadata) == digest);

  const Safetensors file(folder / "x.safetensors");
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == tensors.size());
  for (const auto& [name, written] : tensors) {
    const TensorView& read = file.at(name);
    CHECK(read.dtype == written.dtype);
    CHECK(read.shape == written.shape);
    CHECK(read.elements() == written.elements());
    CHECK(std::equal(read.bytes.begin(), read.bytes.end(), written.bytes.begin(), written.bytes.end()));
    if (!read.bytes.empty())
      CHECK(reinterpret_cast<std::uintptr_t>(read.bytes.data()) % static_cast<std::uintptr_t>(manifest::dtype_size(read.dtype)) == 0);
  }
  CHECK(contains(error_of(Exit::bad_data, [&] { static_cast<void>(file.at("f")); }),
                 "x.safetensors: has no tensor 'f' (it has 6: a, b, c, d, e, empty)"));
  error_of(Exit::internal, [&] { write_safetensors(folder / "z.safetensors", {{"a", view("U8", {4}, bytes)}}); });
  CHECK_FALSE(fs::exists(folder / "z.safetensors"));
}

TEST_CASE("the layout is the published one") {
  const Folder folder;
  const std::string header = R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  const Safetensors file(file_with(folder, header, 2));
  CHECK(file.at("t").shape == std::vector<std::int64_t>{2});
  CHECK(static_cast<char>(file.at("t").bytes[1]) == 'x');

  const std::vector<std::uint8_t> one = {42};
  write_safetensors(folder / "w.safetensors", {{"t", view("U8", {1}, one)}});
  const auto bytes = read_bytes(folder / "w.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(bytes.size() == 8 + length + 1);
  CHECK(std::string(reinterpret_cast<const char*>(bytes.data()) + 8, 54)
            .starts_with(R"({"t":{"data_offsets":[0,1],"dtype":"U8","shape":[1]}})"));
  CHECK(bytes.back() == std::byte{42});
}

TEST_CASE("a hostile file is refused, with the tensor at fault") {
  const Folder folder;
  core::write_atomically(folder / "short", std::string_view("1234567"));
  CHECK(contains(error_of(Exit::bad_data, [&] { Safetensors file(folder / "short"); }), "too short"));
  error_of(Exit::no_input, [&] { Safetensors file(folder / "missing"); });
  CHECK(contains(refused(folder, "{}", 0, 3), "claims 3 bytes"));
  CHECK(
      contains(refused(folder, R"({")" + std::string(5000, '.') + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0), "letters"));
  CHECK(contains(refused(folder, "{}", 0, ~std::uint64_t{0}), "header"));
  CHECK(contains(refused(folder, "{}", 0, ~std::uint64_t{0} - 7), "header"));
  CHECK(contains(refused(folder, "{nonsense", 0), "not a JSON object"));
  CHECK(contains(refused(folder, "[1]", 0), "not a JSON object"));
  CHECK(contains(refused(folder, std::string(200000, '['), 0), "not a JSON object"));
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  CHECK(refused(folder, tensor("F7", "[1]", "[0,4]"), 4) == "tensor 'w': unknown tensor type 'F7'");
  CHECK(refused(folder, tensor("F32", "[1]", "[0,8]"), 4) == "tensor 'w': its data (0 to 8) lies outside the file's 4 bytes");
  CHECK(refused(folder, tensor("F32", "[1]", "[4,0]"), 4) == "tensor 'w': its data (4 to 0) lies outside the file's 4 bytes");
  CHECK(refused(folder, tensor("F32", "[2]", "[0,4]"), 4) == "tensor 'w': its shape asks for 8 bytes, its offsets give 4");
  CHECK(refused(folder, tensor("F32", "[4294967296,4294967296,4]", "[0,0]"), 4) == "tensor 'w': its shape is too large");
  CHECK(refused(folder, tensor("F32", "[0,18446744073709551615]", "[0,0]"), 4) == "tensor 'w': its shape is too large");
  CHECK(refused(folder, tensor("F32", "[-1]", "[0,4]"), 4) == "tensor 'w': its shape is not of whole numbers");
  CHECK(refused(folder, tensor("F32", "[1.0]", "[0,4]"), 4) == "tensor 'w': its shape is not of whole numbers");
  CHECK(refused(folder, tensor("F32", "[1]", "[-4,0]"), 4) == "tensor 'w': its offsets are not whole numbers");
  CHECK(contains(refused(folder, tensor("F32", "[1]", "[0]"), 4), "lacks dtype, shape or data_offsets"));
  CHECK(contains(refused(folder, R"({"w":1})", 4), "tensor 'w': lacks"));
  CHECK(contains(refused(folder, R"({"__metadata__":{"a":1}})", 4), "'a' is not text"));
  CHECK(contains(
      refused(folder, R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4),
      "overlap"));
}

TEST_CASE("damaged files either read or end with our error") {
  const Folder folder;
  const std::vector<float> floats(64, 1.5F);
  const std::vector<std::uint8_t> bytes(7, 9);
  write_safetensors(folder / "x", {{"layer.weight", view("F32", {8, 8}, floats)}, {"layer.mask", view("U8", {7}, bytes)}}, {{"k", "v"}});
  const auto good = read_bytes(folder / "x");
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  core::Rng rng(1, core::Stream::test);
  int read = 0, refusals = 0;
  std::size_t touched = 0;
  for (int i = 0; i < 1500; ++i) {
    auto damaged = good;
    if (rng.chance(0.2)) damaged.resize(rng.below(damaged.size()));
    const std::size_t faults = damaged.empty() ? 0 : 1 + rng.below(3);
    for (std::size_t k = 0; k < faults; ++k)
      damaged[rng.below(std::min<std::uint64_t>(damaged.size(), 8 + header))] = static_cast<std::byte>(rng.below(256));
    test::write_plainly(folder / "d", {reinterpret_cast<const char*>(damaged.data()), damaged.size()});
    try {
      const Safetensors file(folder / "d");
      ++read;
      for (const auto& [name, tensor] : file.tensors())
        for (const std::byte byte : tensor.bytes) touched += static_cast<std::size_t>(byte);  // every byte must be there
    } catch (const core::Error& error) {
      ++refusals;
      CHECK(error.exit() == Exit::bad_data);
    }
  }
  CHECK(read + refusals == 1500);
  CHECK(refusals > 750);
  CHECK(touched > 0);
}
