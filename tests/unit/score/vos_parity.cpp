// Videos and their scores from tests/parity/score/make_vos.py.
#include "metrics/assignment.h"
#include "unit/score/masks.h"

#include <sstream>

using namespace selfsight;
using manifest::Json;
using test::cell;
using test::value_of;

namespace {

const Json& fixture() {
  static const Json json = Json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/vos.json"));
  return json;
}

data::Labels unpack(const std::string& runs, std::int64_t height, std::int64_t width) {
  data::Labels out(height, width);
  std::size_t at = 0;
  std::istringstream text(runs);
  for (int label = 0, count = 0; text >> label && text.ignore(1) && text >> count;)
    for (int k = 0; k < count; ++k) out.values.at(at++) = static_cast<std::uint16_t>(label);
  REQUIRE(at == out.values.size());
  return out;
}

void save_video(const test::fs::path& folder, const Json& video, const char* key) {
  std::vector<data::Labels> frames;
  for (const Json& frame : video.at(key))
    frames.push_back(unpack(frame.get<std::string>(), video.at("height").get<std::int64_t>(), video.at("width").get<std::int64_t>()));
  test::save_frames(folder / video.at("name").get<std::string>(), frames);
}

bool close(double ours, double theirs) {
  const bool near = std::abs(ours - 100 * theirs) <= 1e-9 * std::max(1.0, std::abs(100 * theirs));
  if (!near) MESSAGE(ours << " instead of " << 100 * theirs);
  return near;
}

/// Compares the objects of every video; returns the sums of J and F of the reference, and their number.
std::array<double, 3> compare_objects(const manifest::Metrics& metrics, const char* key, bool matched) {
  const Json& objects = test::table_of(metrics, "Objects");
  std::array<double, 3> sums{};
  for (const Json& video : fixture().at("videos")) {
    int number = 0;
    for (const Json& score : video.at(key)) {
      const std::string name = fmt::format("{}_{}", video.at("name").get<std::string>(), ++number);
      CAPTURE(name);
      if (matched) {
        CHECK(cell(objects, name, "object") == score.at("object").get<double>());
        CHECK(cell(objects, name, "proposal") == score.at("proposal").get<double>());
      }
      const auto j = score.at("j").get<std::vector<double>>(), f = score.at("f").get<std::vector<double>>();
      CHECK(close(cell(objects, name, "J"), j[0]));
      CHECK(close(cell(objects, name, "J recall"), j[1]));
      CHECK(close(cell(objects, name, "J decay"), j[2]));
      CHECK(close(cell(objects, name, "F"), f[0]));
      CHECK(close(cell(objects, name, "F recall"), f[1]));
      CHECK(close(cell(objects, name, "F decay"), f[2]));
      sums[0] += j[0], sums[1] += f[0], sums[2] += 1;
    }
  }
  CHECK(objects.at("rows").size() == static_cast<std::size_t>(sums[2]));
  return sums;
}

struct Videos {
  test::Folder folder;
  Videos() {
    for (const Json& video : fixture().at("videos")) {
      save_video(folder / "truth", video, "truth");
      save_video(folder / "semi", video, "semi");
      save_video(folder / "unsupervised", video, "unsupervised");
    }
  }
  [[nodiscard]] manifest::Metrics score(const std::string& task, const std::string& predictions, int threads = 2) const {
    score::VosOptions options;
    options.truth = (folder / "truth").string(), options.task = task;
    return score::score_vos(options, (folder / predictions).string(), threads);
  }
};

}  // namespace

TEST_CASE("semi-supervised scores are those of NumPy and scikit-image") {
  const Videos videos;
  const manifest::Metrics metrics = videos.score("semi-supervised", "semi");
  const auto [j, f, objects] = compare_objects(metrics, "semi scores", false);
  CHECK(close(value_of(metrics, "J mean"), j / objects));
  CHECK(close(value_of(metrics, "F mean"), f / objects));
  CHECK(close(value_of(metrics, "J&F mean"), (j + f) / objects / 2));
  CHECK_FALSE(test::has_row(metrics, "FG-ARI"));
}

TEST_CASE("unsupervised scores, matching, FG-ARI and mIoU are those of NumPy, SciPy, scikit-image and scikit-learn") {
  const Videos videos;
  const manifest::Metrics metrics = videos.score("unsupervised", "unsupervised");
  const auto [j, f, objects] = compare_objects(metrics, "unsupervised scores", true);
  CHECK(close(value_of(metrics, "J&F mean"), (j + f) / objects / 2));
  const Json& sequences = test::table_of(metrics, "Sequences");
  double ari_frames = 0, iou_frames = 0, count = 0;
  for (const Json& video : fixture().at("videos")) {
    const auto name = video.at("name").get<std::string>();
    CAPTURE(name);
    const Json& clusters = video.at("clusters");
    CHECK(close(cell(sequences, name, "FG-ARI"), clusters.at("ari").get<double>()));
    CHECK(close(cell(sequences, name, "mIoU"), clusters.at("iou").get<double>()));
    ari_frames += clusters.at("ari per frame").get<double>(), iou_frames += clusters.at("iou per frame").get<double>(), ++count;
  }
  CHECK(close(value_of(metrics, "FG-ARI per frame"), ari_frames / count));
  CHECK(close(value_of(metrics, "mIoU per frame"), iou_frames / count));
}

TEST_CASE("any number of threads gives the same document") {
  const Videos videos;
  CHECK(test::text_of(videos.score("semi-supervised", "semi", 1)) == test::text_of(videos.score("semi-supervised", "semi", 4)));
  CHECK(test::text_of(videos.score("unsupervised", "unsupervised", 1)) == test::text_of(videos.score("unsupervised", "unsupervised", 4)));
}

TEST_CASE("of several best assignments SciPy's is taken") {
  for (const Json& one : fixture().at("assignments")) {
    std::vector<std::vector<std::int64_t>> pairs;
    for (const metrics::Match& m : metrics::assign(one.at("costs").get<std::vector<double>>(), one.at("rows").get<std::int64_t>(),
                                                   one.at("columns").get<std::int64_t>()))
      pairs.push_back({m.row, m.column});
    CHECK(pairs == one.at("pairs").get<std::vector<std::vector<std::int64_t>>>());
  }
}
