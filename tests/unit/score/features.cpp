#include "score/features.h"

#include "unit/arrays.h"
#include "unit/support.h"

using namespace selfsight;
using score::FeatureFile;
using test::contains;
using test::error_of;

namespace {

template <class T>
std::string npy_file(const test::Folder& folder, const std::string& type, const std::string& shape, const std::vector<T>& values) {
  test::write_plainly(folder / "a.npy", test::npy_of(type, shape, values));
  return (folder / "a.npy").string();
}

template <class T>
manifest::TensorView view(const std::string& dtype, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values))};
}

}  // namespace

TEST_CASE("features of every number type become float32") {
  const test::Folder folder;
  const auto values = [](const FeatureFile& file) { return std::vector<float>(file.rows().values.begin(), file.rows().values.end()); };
  const std::vector<float> expected{1, -2, 0.5F, 3};
  CHECK(values(FeatureFile(npy_file<float>(folder, "<f4", "2, 2", expected))) == expected);
  CHECK(values(FeatureFile(npy_file<double>(folder, "<f8", "2, 2", {1, -2, 0.5, 3}))) == expected);
  CHECK(values(FeatureFile(npy_file<std::uint16_t>(folder, "<f2", "2, 2", {0x3C00, 0xC000, 0x3800, 0x4200}))) == expected);
  CHECK(values(FeatureFile(npy_file<std::int32_t>(folder, "<i4", "1, 3", {1, -2, 7}))) == std::vector<float>{1, -2, 7});
  const std::vector<std::uint16_t> brain{0x3F80, 0xC000, 0x3F00, 0x4040};
  manifest::write_safetensors(folder / "b.safetensors", {{"features", view("BF16", {2, 2}, brain)}});
  CHECK(values(FeatureFile((folder / "b.safetensors").string())) == expected);
  // Half precision: the smallest subnormal, the largest, infinity.
  const std::vector<std::uint16_t> half{0x0001, 0x7BFF, 0x7C00};
  CHECK(score::element(view("F16", {3}, half), 0) == 0x1p-24);
  CHECK(score::element(view("F16", {3}, half), 1) == 65504);
  CHECK(std::isinf(score::element(view("F16", {3}, half), 2)));
}

TEST_CASE("numbers beside the features") {
  const test::Folder folder;
  const std::vector<float> features{1, 2, 3, 4};
  const std::vector<std::int64_t> identity{5, -1};
  const std::vector<float> camera{2, 3};
  const std::vector<double> odd{1.5, 2};
  manifest::write_safetensors(folder / "b.safetensors", {{"features", view("F32", {2, 2}, features)},
                                                         {"identity", view("I64", {2}, identity)},
                                                         {"camera", view("F32", {2}, camera)},
                                                         {"odd", view("F64", {2}, odd)},
                                                         {"long", view("I64", {1, 2}, identity)}});
  const FeatureFile file((folder / "b.safetensors").string());
  CHECK(file.numbers("identity") == identity);
  CHECK(file.numbers("camera") == std::vector<std::int64_t>{2, 3});
  CHECK(file.numbers("nothing").empty());
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)file.numbers("odd"); }), "entry 0 (1.5) is not a whole number"));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)file.numbers("long"); }), "2 rows"));
}

TEST_CASE("features that cannot be ranked, and files that hold none") {
  const test::Folder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto refused = [&](const std::vector<float>& values, const std::string& shape, metrics::Distance distance,
                           const std::string& part) {
    const std::string path = npy_file<float>(folder, "<f4", shape, values);
    CHECK(contains(error_of(core::Exit::bad_data, [&] { FeatureFile(path).check(distance, 2); }), part));
  };
  refused({1, 2, 3, nan}, "2, 2", metrics::Distance::euclidean, "a.npy: row 1, dimension 1 is nan");
  refused({1, std::numeric_limits<float>::infinity(), 3, 4}, "2, 2", metrics::Distance::euclidean, "row 0, dimension 1 is inf");
  refused({1, 2, 0, 0}, "2, 2", metrics::Distance::cosine, "row 1 is zero");
  refused({1, 2, 3, 1e20F}, "2, 2", metrics::Distance::cosine, "too large");
  refused({}, "0, 2", metrics::Distance::cosine, "no features");
  refused({}, "2, 0", metrics::Distance::cosine, "no features");
  refused({1, 2, 3, 4}, "4,", metrics::Distance::cosine, "should be a matrix");
  test::write_plainly(folder / "a.bin", "x");
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::ArrayFile(folder / "a.bin"); }), "neither .npy nor .safetensors"));
  const std::vector<float> two{1, 2};
  manifest::write_safetensors(folder / "two.safetensors", {{"a", view("F32", {1, 2}, two)}, {"b", view("F32", {1, 2}, two)}});
  CHECK(contains(error_of(core::Exit::bad_data, [&] { FeatureFile((folder / "two.safetensors").string()); }), "it has a, b"));
}

TEST_CASE("files of features have their digest; archives and empty files are called what they are") {
  const test::Folder folder;
  const std::string path = npy_file<float>(folder, "<f4", "1, 2", {1, 2});
  CHECK(FeatureFile(path).input().at("digest").get<std::string>().starts_with("sha256:"));
  CHECK(FeatureFile(path).input().at("kind") == "file");
  const auto refusal = [&](const std::string& name, const std::string& content) {
    test::write_plainly(folder / name, content);
    return error_of(core::Exit::bad_data, [&] { const FeatureFile file((folder / name).string()); });
  };
  CHECK(contains(refusal("a.npz", "PK\3\4..."), "a.npz: is an archive of arrays"));
  CHECK(contains(refusal("b.npy", "PK\3\4..."), "b.npy: is an archive of arrays"));
  CHECK(contains(refusal("c.npy", ""), "c.npy: is empty"));
  CHECK(contains(refusal("c.safetensors", ""), "c.safetensors: is empty"));
}
