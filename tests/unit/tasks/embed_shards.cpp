// Shards of features: which samples each has, and what is put together and what is refused.
#include "tasks/embed_shards.h"

#include "core/digest.h"
#include "core/files.h"
#include "nn/state.h"
#include "unit/support.h"

using namespace selfsight;
using manifest::Json;
using test::Folder;

namespace {

/// Writes the features of a shard of a split of `samples`, a row (i, -i) for sample i, without those `left_out`; returns its manifest's
/// name.
std::string write_shard(const Folder& folder, const std::string& name, std::int64_t index, std::int64_t count, std::int64_t samples,
                        const std::vector<std::int64_t>& left_out = {}, const std::function<void(Json&)>& change = {}) {
  const tasks::SampleRange range = tasks::range_of({index, count, samples, {}});
  std::vector<std::int64_t> places;
  Json bad = Json::array();
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    if (std::find(left_out.begin(), left_out.end(), i) == left_out.end()) {
      places.push_back(i);
    } else {
      bad.push_back({{"split", "test"}, {"name", std::to_string(i)}, {"reason", "broken"}});
    }
  }
  const torch::Tensor at = torch::tensor(places, torch::kInt64);
  manifest::Features features;
  features.folder = folder.path();
  features.split = "test";
  features.layer = "pooled";
  features.count = at.size(0);
  features.dim = 2;
  features.data.path = folder / (name + ".safetensors");
  features.data.digest = nn::save_tensors(
      features.data.path, {{"features", torch::stack({at, -at}, 1).to(torch::kFloat32)}, {"labels", at % 3}, {"index", at}});
  const std::string digest = core::digest_of(std::string_view("weights"));
  features.model = {{"manifest", "model"},     {"version", 1},
                    {"method", "simclr"},      {"architecture", {{"name", "resnet10"}}},
                    {"input", {8, 8, 1}},      {"mean", {0.5}},
                    {"stddev", {0.25}},        {"feature_dim", 2},
                    {"heads", Json::object()}, {"weights", {{"path", (folder / "weights.safetensors").string()}, {"digest", digest}}}};
  features.dataset = {{"manifest", "dataset"},
                      {"version", 1},
                      {"name", "set"},
                      {"splits", {{"test", {{"format", "folder"}, {"root", "/nowhere"}, {"count", samples}, {"digest", digest}}}}}};
  features.shard = manifest::Shard{index, count, samples, {}};
  if (!left_out.empty()) features.shard->max_bad = 0.25;
  if (!bad.empty()) features.extra["bad_items"] = bad;
  Json document = manifest::to_json(features, folder.path());
  if (change) change(document);
  core::write_atomically(folder / (name + ".json"), document.dump());
  return (folder / (name + ".json")).string();
}

std::string refusal(const std::vector<std::string>& files, core::Exit code = core::Exit::bad_data) {
  return test::error_of(code, [&] { const tasks::Shards shards(files); });
}

}  // namespace

TEST_CASE("shards are contiguous, cover the split and differ by one sample at most") {
  for (const std::int64_t samples : {1, 2, 7, 16, 1000, 1281167})
    for (std::int64_t count = 1; count <= std::min<std::int64_t>(samples, 33); ++count) {
      std::int64_t next = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const auto range = tasks::range_of({i, count, samples, {}});
        CHECK(range.begin == next);
        CHECK(range.end - range.begin >= samples / count);
        CHECK(range.end - range.begin <= (samples + count - 1) / count);
        next = range.end;
      }
      CHECK(next == samples);
    }
}

TEST_CASE("I/N is understood, anything else is a usage error") {
  CHECK(tasks::parse_shard("3/16") == manifest::Shard{3, 16, 0, {}});
  CHECK(tasks::parse_shard("0/1") == manifest::Shard{0, 1, 0, {}});
  for (const char* wrong : {"", "3", "/", "3/", "/3", "16/16", "-1/4", "0/0", "0/-1", "1/2/3", "1/2 ", " 1/2", "a/b", "1.5/3", "+1/2",
                            "0/99999999999999999999"})
    CHECK_THROWS_AS(tasks::parse_shard(wrong), core::Error);
}

TEST_CASE("shards in any order make the whole, bytes and key") {
  const Folder folder;
  const std::string whole = write_shard(folder, "whole", 0, 1, 11), a = write_shard(folder, "a", 0, 3, 11),
                    b = write_shard(folder, "b", 1, 3, 11), c = write_shard(folder, "c", 2, 3, 11);
  const auto from_one = tasks::Shards({whole}).merge(folder / "one.safetensors");
  const auto from_three = tasks::Shards({c, a, b}).merge(folder / "three.safetensors");
  CHECK(from_one.data.digest == from_three.data.digest);
  CHECK((core::read_bytes(folder / "one.safetensors") == core::read_bytes(folder / "three.safetensors")));
  CHECK(from_three.count == 11);
  CHECK(!from_three.shard);
  CHECK(from_three.inputs.size() == 3);
  CHECK(manifest::Safetensors(folder / "three.safetensors").metadata().contains("key"));
  const auto state = nn::load_tensors(folder / "three.safetensors");
  CHECK(torch::equal(state.at("index"), torch::arange(11)));
  CHECK(torch::equal(state.at("features").select(1, 1), -torch::arange(11).to(torch::kFloat32)));
  // No program takes a shard for the whole.
  CHECK_THROWS_AS(manifest::read<manifest::Features>(a), core::Error);
}

TEST_CASE("bad images: listed in the order of the split, and no more than accepted by the whole") {
  const Folder folder;
  const std::vector<std::int64_t> bad = {1, 2, 10};
  const std::string a = write_shard(folder, "a", 0, 3, 12, bad), b = write_shard(folder, "b", 1, 3, 12, bad),
                    c = write_shard(folder, "c", 2, 3, 12, bad);
  const auto merged = tasks::Shards({b, c, a}).merge(folder / "whole.safetensors");
  CHECK(merged.count == 9);
  REQUIRE(merged.extra.at("bad_items").size() == 3);
  CHECK(merged.extra.at("bad_items").at(2).at("name") == "10");
  // Other images left out are another key.
  const std::vector<std::int64_t> other = {1, 3, 10};
  const auto differs = tasks::Shards({write_shard(folder, "d", 0, 3, 12, other), write_shard(folder, "e", 1, 3, 12, other),
                                      write_shard(folder, "f", 2, 3, 12, other)})
                           .merge(folder / "other.safetensors");
  CHECK(manifest::Safetensors(folder / "other.safetensors").metadata().at("key") !=
        manifest::Safetensors(folder / "whole.safetensors").metadata().at("key"));
  // A third of each of two shards is accepted of neither, once they are one.
  const std::vector<std::int64_t> many = {0, 1, 4, 5};
  CHECK(test::contains(refusal({write_shard(folder, "g", 0, 3, 12, many), write_shard(folder, "h", 1, 3, 12, many),
                                write_shard(folder, "i", 2, 3, 12, many)}),
                       "4 of 12 images of split 'test' are bad"));
}

TEST_CASE("what does not belong together is refused by the name of its file") {
  const Folder folder;
  const std::string a = write_shard(folder, "a", 0, 3, 11), b = write_shard(folder, "b", 1, 3, 11), c = write_shard(folder, "c", 2, 3, 11);
  CHECK(test::contains(refusal({a, c}), "missing: 1/3"));
  CHECK(test::contains(refusal({a, b, c, b}), "b.json: is shard 1/3, and so is"));
  CHECK(test::contains(refusal({a, b, write_shard(folder, "d", 2, 4, 11)}), "d.json: is shard 2/4"));
  CHECK(test::contains(refusal({a, b, write_shard(folder, "e", 2, 3, 12)}), "e.json: is of another data set"));
  const auto changed = [&](const std::string& field, const Json& value) {
    return refusal({a, b, write_shard(folder, "x", 2, 3, 11, {}, [&](Json& document) { document[Json::json_pointer(field)] = value; })});
  };
  CHECK(test::contains(changed("/split", "train"), "x.json: is of another split ('train')"));
  CHECK(test::contains(changed("/layer", "map"), "x.json: is of another layer (map)"));
  CHECK(test::contains(changed("/model/method", "moco"), "x.json: is of another model"));
  CHECK(test::contains(changed("/dataset/splits/test/digest", ""), "x.json: is of another data set"));
  CHECK(test::contains(changed("/shard/max_bad", 0.5), "x.json: was made with another --on-bad"));
  CHECK(test::contains(changed("/count", 4), "x.safetensors: 'features' is F32 (3, 2) where"));
  CHECK(test::contains(changed("/count", 2), "x.safetensors: 'features' is F32 (3, 2) where"));
  CHECK(test::contains(changed("/shard/index", 3), "x.json: /shard: there is no part 3 of 3"));
  CHECK(test::contains(changed("/shard/samples", 2), "there is no part 2 of 3 of 2 samples"));
  CHECK(test::contains(changed("/shard/count", 0), "x.json: /shard/count"));
  CHECK(test::contains(changed("/bad_items", Json::array({1})), "lists 1 bad images where 0"));
  // A manifest that claims 2^53 samples costs nothing.
  CHECK(test::contains(refusal({write_shard(folder, "y", 0, 1, 11, {}, [](Json& d) { d["shard"]["samples"] = 9007199254740991; })}),
                       "y.json: lists 0 bad images"));
  CHECK(test::contains(refusal({write_shard(folder, "w", 0, 1, 11, {}, [](Json& d) { d.erase("shard"); })}), "w.json: is no shard"));
  CHECK(test::contains(refusal({}, core::Exit::usage), "name the manifests"));
}

TEST_CASE("a payload that is not its manifest's is refused") {
  const Folder folder;
  const std::string a = write_shard(folder, "a", 0, 2, 10), b = write_shard(folder, "b", 1, 2, 10);
  core::write_atomically(folder / "b.safetensors", core::read_bytes(folder / "a.safetensors"));
  CHECK(test::contains(refusal({a, b}), "b.safetensors: the features file is not the one"));
  // Of the right digest, but with samples that are another shard's.
  const std::string c = write_shard(folder, "c", 1, 2, 10, {}, [&](Json& document) {
    document["data"] = {{"path", "a.safetensors"}, {"digest", core::digest_of_file(folder / "a.safetensors")}};
  });
  CHECK(test::contains(refusal({a, c}), "has sample 0 where shard 1/2 has 5 to 9"));
  const std::string d = write_shard(folder, "d", 1, 2, 10, {}, [&](Json& document) { document["dim"] = 3; });
  CHECK(test::contains(refusal({d, a}), "a.json: is of another model"));
  std::filesystem::remove(folder / "a.safetensors");
  CHECK(test::contains(refusal({a, write_shard(folder, "b", 1, 2, 10)}, core::Exit::no_input), "is missing"));
}
