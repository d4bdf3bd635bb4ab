// fuzz-seeds FOLDER: writes small files that are as they should be, for every target FOLDER/TARGET/NAME. Made by our own writers where we
// have one, else as our unit tests make them.
#include "core/files.h"
#include "data/image.h"
#include "data/labels.h"
#include "data/shard_index.h"
#include "fuzz/shard.h"
#include "manifest/manifest.h"
#include "manifest/safetensors.h"
#include "unit/arrays.h"

#define DOCTEST_CONFIG_IMPLEMENT  // helpers of unit tests are used; none of those that check
#include "unit/data/tars.h"

#include <zlib.h>

#include <cstdio>
#include <tuple>

namespace selfsight::fuzz {
namespace {

namespace fs = std::filesystem;
using manifest::Json;

fs::path root;

void put(const std::string& target, const std::string& name, std::string_view content) {
  core::make_folder(root / target);
  test::write_plainly(root / target / name, content);
}

std::string text_of(std::span<const std::byte> bytes) { return data::text_of(bytes); }

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// A second file behind the first, as divided() takes them apart.
std::string joined(const std::string& first, const std::string& second) { return first + second + static_cast<char>(second.size()); }

manifest::Dataset dataset() {
  manifest::Dataset out;
  out.name = "tiny";
  manifest::Split split;
  split.format = "idx";
  split.root = "/data/tiny";
  split.files["images"] = {"/data/tiny/images.gz", "sha256:1", {}};
  split.count = 2;
  split.labels = {"cat", "dog"};
  split.fields = {"image", "label"};
  split.image = {28, 28, 1};
  split.subset = manifest::File{"/data/tiny/subset.json", "sha256:2", {}};
  out.splits["train"] = split;
  return out;
}

manifest::Model model() {
  manifest::Model out;
  out.method = "simclr";
  out.architecture = {{"name", "resnet18"}};
  out.weights = {"/runs/weights.safetensors", "sha256:4", {}};
  out.input = {28, 28, 1};
  out.mean = {0.5};
  out.stddev = {0.25};
  out.feature_dim = 128;
  out.training = {{"files", {{"metrics", {{"path", "/runs/metrics.jsonl"}, {"digest", "sha256:5"}}}}}};
  out.heads = {{"projector", {{"weights", {{"path", "/runs/p.safetensors"}, {"digest", "sha256:6"}}}}}};
  out.dataset = dataset();
  return out;
}

manifest::Features features() {
  manifest::Features out;
  out.split = "train", out.layer = "pooled";
  out.count = 2, out.dim = 128;
  out.data = {"/runs/features.safetensors", "sha256:7", {}};
  out.model = to_json(model(), "/runs");
  out.dataset = to_json(dataset(), "/runs");
  return out;
}

void manifests() {
  const auto write = [](const std::string& name, const auto& one) { put("manifest", name, to_json(one, "/runs").dump(1)); };
  write("dataset", dataset());
  write("model", model());
  write("features", features());
  manifest::Plan plan;
  plan.rule = "clusters", plan.split = "train";
  plan.count = 2, plan.batch = 1;
  plan.data = {"/runs/plan.safetensors", "sha256:8", {}};
  plan.dataset = to_json(dataset(), "/runs");
  write("plan", plan);
  manifest::Predictions predictions;
  predictions.task = "detection";
  predictions.data = {"/runs/results.json", "", {}};
  write("predictions", predictions);
  manifest::Metrics metrics;
  manifest::Row row;
  row.name = "linear top-1", row.value = 84.25, row.unit = "%", row.split = "test", row.subject = "simclr";
  row.protocol = {{"seed", 0}};
  row.samples = {84, 84.5};
  metrics.rows = {row};
  metrics.model = to_json(model(), "/runs");
  metrics.features = {to_json(features(), "/runs")};
  metrics.breakdowns = {Json{{"kind", "items"},
                             {"title", "by class"},
                             {"item", "class"},
                             {"columns", Json::array({Json{{"name", "hits"}}})},
                             {"rows", Json::array({Json{{"name", "cat"}, {"values", Json::array({1})}}})}}};
  write("metrics", metrics);
}

void tensors() {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::int64_t count = 7;
  const auto bytes = std::as_bytes(std::span(values));
  core::make_folder(root / "safetensors");
  manifest::write_safetensors(root / "safetensors" / "network",
                              {{"module.conv1.weight", {"F32", {2, 3}, bytes}},
                               {"module.bn1.num_batches_tracked", {"I64", {}, std::as_bytes(std::span(&count, 1))}},
                               {"module.layer1.0.bn1.bias", {"F16", {2, 1}, bytes.first(4)}},
                               {"empty", {"U8", {0, 3}, {}}}},
                              {{"format", "pt"}});
  manifest::write_safetensors(root / "safetensors" / "nothing", {}, {});

  put("npy", "float32", test::npy_of<float>("<f4", "2, 3", values));
  put("npy", "vector-of-version-2", test::npy(test::npy_header("|u1", "4,"), "abcd", 2));
  put("npy", "fortran-order", test::npy(test::npy_header("<f4", "2, 3", "True"), std::string(24, '\1'), 3));
  put("npy", "scalar", test::npy_of<std::int64_t>("<i8", "", {count}));

  // Python made these; tests/parity/weights/make_torch.py says how.
  for (const char* file : {"zip.pth", "legacy.pth", "namespace.pth"})
    put("torch_file", file, text_of(core::read_bytes(fs::path(SELFSIGHT_TEST_DATA) / "parity/weights" / file)));
}

void archives() {
  using data::tar_entry;
  const std::string end(2 * data::tar_block, '\0'), long_name = "cat/" + std::string(120, 'n') + ".ppm";
  const auto folder = [](const std::string& name) { return tar_entry(name, '5', ""); };
  const std::string classes = data::tar_of({{"train/cat/0.ppm", one_pixel}, {"train/dog/1.ppm", one_pixel}, {"test/cat/2.ppm", one_pixel}});
  put("tar", "classes", classes);
  put("tar", "classes-packed", gzipped(classes));
  put("tar", "folders", folder("cat/") + tar_entry("./cat/0.ppm", '0', one_pixel) + tar_entry("notes.txt", '0', "x") + end);
  put("tar", "gnu-long-name", tar_entry(long_name, '0', one_pixel) + end);
  put("tar", "pax-long-name",
      data::pax_record("path", long_name, data::pax_text("size", "14")) + tar_entry("short.ppm", '0', one_pixel) + end);
  std::string ustar = tar_entry("0.ppm", '0', one_pixel);
  ustar.replace(345, 9, "train/cat");
  data::sign_header(ustar);
  put("tar", "ustar-prefix", ustar + end);
  put("tar", "link", tar_entry("cat/link.ppm", '2', "") + tar_entry("cat/0.ppm", '0', one_pixel) + end);
  put("tar", "webdataset",
      data::tar_of({{"000.ppm", one_pixel},
                    {"000.cls", "1"},
                    {"000.json", R"({"label": "cat"})"},
                    {"001.PPM", one_pixel},
                    {"001.cls", "0\n"},
                    {"001.json", R"({"label": "dog"})"}}));

  const std::string shard = good_shard();
  data::ShardIndex index;
  index.labels = {"cat", "dog"};
  for (std::size_t i = 0; i < shard_entries.size(); ++i) {
    const std::size_t header = 2 * i * data::tar_block;
    const auto bytes = std::as_bytes(std::span(shard)).subspan(header, data::tar_block);
    index.add(0, {.offset = static_cast<std::int64_t>(header + data::tar_block),
                  .size = static_cast<std::int64_t>(one_pixel.size()),
                  .label = static_cast<std::int64_t>(i),
                  .header = data::header_mark(bytes),
                  .name = shard_entries[i]});
  }
  index.files = {{shard_name, static_cast<std::int64_t>(shard.size()), "sha256:9"}};
  core::make_folder(root / "shards");
  std::ignore = index.write(root / "shards" / "two-samples");
}

void pictures() {
  const auto sides = [](std::initializer_list<unsigned> all) {
    std::string out = std::string("\0\0\x08", 3) + static_cast<char>(all.size());
    for (const unsigned side : all)
      for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(side >> shift & 0xFF);
    return out;
  };
  const std::string grey = sides({2, 2, 3}) + "abcdefABCDEF", colour = sides({1, 2, 2, 3}) + "rgbRGBrgbRGB",
                    labels = sides({2}) + std::string("\1\0", 2);
  put("idx", "grey", joined(grey, labels));
  put("idx", "packed", joined(gzipped(grey), gzipped(labels)));
  put("idx", "colour", joined(colour, ""));
  put("cifar", "ten", std::string(1, '\3') + std::string(3072, 'p'));
  put("cifar", "hundred", std::string("\1\x30", 2) + std::string(3072, 'p'));

  const data::Image noise = data::noise(1, 9, 17);
  put("jpeg", "colour", text_of(data::encode_jpeg(noise, 50)));
  data::Image ramp(16, 16, 1);
  for (std::size_t i = 0; i < ramp.pixels.size(); ++i) ramp.pixels[i] = static_cast<std::uint8_t>(i);
  std::string turned = text_of(data::encode_jpeg(ramp, 90));
  const std::string exif = std::string("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 32);
  turned.insert(2, std::string("\xFF\xE1\0", 3) + static_cast<char>(exif.size() + 2) + exif);
  put("jpeg", "turned", turned);

  data::Labels map(9, 11);
  for (std::size_t i = 0; i < map.values.size(); ++i) map.values[i] = static_cast<std::uint16_t>(i % 3);
  put("label_png", "indexed", text_of(data::encode_labels(map)));
  map.values[5] = 1000;
  put("label_png", "grey-of-16-bits", text_of(data::encode_labels(map)));
}

void lists() {
  put("jsonlines", "names", R"({"image": "a.ppm", "label": "cat", "split": "train"}
{"image": "a.ppm", "label": "dog", "split": "test"}
)");
  put("jsonlines", "numbers", "{\"image\": \"./a.ppm\", \"label\": 3}\r\n\n{\"image\": \"a.ppm\", \"label\": 0}");
  put("jsonlines", "highlights",
      R"({"qid": 1, "duration": 10, "relevant_clip_ids": [1, 2], "saliency_scores": [[1, 4, 0], [2, 2, 2]], "pred_saliency_scores": [0.5, 0.25, 0]})");
  put("jsonlines", "scores", R"({"vid": "v1", "scores": [1, 2.5, -1e3], "label": true}
{"vid": "v\u00e42", "scores": [], "label": null})");
}

/// What once went wrong, as small as it can be; the unit tests of the layers say more about each.
void regressions() {
  const std::string start = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15) + "I1001\n.(d.", end = ".(l.";
  const std::string dict = "ccollections\nOrderedDict\n(tR";
  put("torch_file", "dict-that-is-its-own-state", start + dict + std::string("q\0h\0b", 5) + end);
  put("torch_file", "set-that-holds-itself", start + "]q\1cbuiltins\nset\nh\1Rq\2h\1h\2a0h\2" + end);
  put("torch_file", "long-key-above-empty-lists",
      start + "(dX" + std::string("\xa0\x0f\0\0", 4) + std::string(4000, 'k') + "(" + std::string(1000, ']') + "ls" + end);
  std::string repeated;
  for (int i = 0; i < 200; ++i)
    repeated += fmt::format(
        "S'{}'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI1\ntQI0\n(I2000\nt(I0\nttRs", i);
  put("torch_file", "tensors-far-larger-than-the-file", start + "(d" + repeated + ".(S'0'\nl." + std::string("\1\0\0\0\0\0\0\0four", 12));

  put("tar", "name-that-goes-on-behind-its-end",
      data::pax_record("path", std::string("cat/..\0x.ppm", 12)) + data::tar_of({{"0.ppm", one_pixel}}));
  std::string deep = "0";
  for (int i = 0; i < 2000; ++i) deep += "/d";
  put("tar", "deep-folders",
      data::tar_entry("cat/", '5', "") + data::tar_of({{deep + "/0.ppm", one_pixel}, {"1" + deep + "/0.ppm", one_pixel}}));

  std::string many;
  for (int i = 0; i < 20; ++i) many += fmt::format("{{\"image\": \"a.ppm\", \"label\": 1048575, \"split\": \"{}\"}}\n", i);
  put("jsonlines", "splits-of-a-million-classes", many);
  put("jsonlines", "name-too-long-for-the-system", "{\"image\": \"" + std::string(5000, 'n') + "\"}");
}

}  // namespace
}  // namespace selfsight::fuzz

int main(int count, char** arguments) {
  using namespace selfsight;
  if (count != 2) {
    std::fputs("usage: fuzz-seeds FOLDER\n", stderr);
    return static_cast<int>(core::Exit::usage);
  }
  try {
    fuzz::root = arguments[1];
    fuzz::manifests();
    fuzz::tensors();
    fuzz::archives();
    fuzz::pictures();
    fuzz::lists();
    fuzz::regressions();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz-seeds: %s\n", error.what());
    return static_cast<int>(core::Exit::internal);
  }
}
