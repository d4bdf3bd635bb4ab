#include "score/seg.h"

#include "unit/score/masks.h"

#include <algorithm>

using namespace selfsight;
using core::Exit;
using manifest::Json;
using test::cell;
using test::contains;
using test::mask;
using test::value_of;

namespace {

struct Set {
  test::Folder folder;
  score::SegOptions options;
  explicit Set(std::int64_t classes = 3) {
    options.truth = (folder / "truth").string(), options.classes = classes;
    test::fs::create_directories(folder / "truth");
    test::fs::create_directories(folder / "results");
  }
  void add(const std::string& name, const data::Labels& truth, const data::Labels& prediction) const {
    test::save(folder / "truth" / (name + ".png"), truth);
    test::save(folder / "results" / (name + ".png"), prediction);
  }
  manifest::Metrics score(int threads = 1) const { return score::score_seg(options, (folder / "results").string(), threads); }
  [[nodiscard]] std::string error(Exit exit = Exit::bad_data) const {
    return test::error_of(exit, [&] { score(); });
  }
};

}  // namespace

TEST_CASE("figures are those of scikit-learn, for any number of threads") {
  const Json fixture = Json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/seg.json"));
  Set set(fixture.at("classes").get<std::int64_t>());
  int number = 0;
  for (const Json& image : fixture.at("images")) {
    data::Labels truth(image.at("height").get<std::int64_t>(), image.at("width").get<std::int64_t>()), prediction = truth;
    truth.values = image.at("truth").get<std::vector<std::uint16_t>>();
    prediction.values = image.at("prediction").get<std::vector<std::uint16_t>>();
    set.add("part" + std::to_string(number % 2) + "/" + std::to_string(number), truth, prediction);
    ++number;
  }
  const manifest::Metrics metrics = set.score();
  for (const char* name : {"mIoU", "pixel accuracy", "mean class accuracy", "frequency-weighted IoU"}) {
    CAPTURE(name);
    CHECK(value_of(metrics, name) == doctest::Approx(100 * fixture.at(name).get<double>()).epsilon(1e-12));
  }
  const Json& classes = test::table_of(metrics, "Classes");
  for (std::size_t c = 0; c < fixture.at("iou").size(); ++c) {
    const double ours = cell(classes, std::to_string(c), "IoU");
    CHECK((fixture.at("iou")[c].is_null() ? std::isnan(ours)
                                          : ours == doctest::Approx(100 * fixture.at("iou")[c].get<double>()).epsilon(1e-12)));
  }
  CHECK(test::text_of(metrics) == test::text_of(set.score(4)));
}

TEST_CASE("void: left out of the truth, wrong in a prediction, several labels, or a label among the classes") {
  Set set;
  set.add("a", mask({"1122##"}), mask({"11#2.1"}));
  const manifest::Metrics metrics = set.score();
  CHECK(value_of(metrics, "pixel accuracy") == 75);
  CHECK(cell(test::table_of(metrics, "Classes"), "2", "IoU") == 50);
  CHECK(std::isnan(cell(test::table_of(metrics, "Classes"), "0", "IoU")));  // predicted on void pixels only
  CHECK(value_of(metrics, "mIoU") == 75);
  Set zero;
  zero.options.void_labels = {0, 9};
  zero.add("a", mask({".1129"}), mask({"21122"}));
  CHECK(value_of(zero.score(), "pixel accuracy") == 100);
  CHECK(value_of(zero.score(), "mIoU") == 100);
  zero.add("a", mask({".99"}), mask({"211"}));
  CHECK(contains(zero.error(), "every pixel is void"));
}

TEST_CASE("a class that is only predicted counts 0, one that is nowhere does not count") {
  Set set(4);
  set.add("a", mask({"1111"}), mask({"1122"}));
  const manifest::Metrics metrics = set.score();
  CHECK(value_of(metrics, "mIoU") == 25);  // (0.5 + 0) / 2
  CHECK(value_of(metrics, "mean class accuracy") == 50);
  CHECK(value_of(metrics, "frequency-weighted IoU") == 50);
}

TEST_CASE("names of the classes: given, or from a file") {
  Set set(0);
  set.add("a", mask({"1.2"}), mask({"1.2"}));
  CHECK(contains(set.error(Exit::usage), "--classes N"));
  set.options.labels = {"sky", "road", "tree"};
  CHECK(cell(test::table_of(set.score(), "Classes"), "road", "IoU") == 100);
  test::write_plainly(set.folder / "names.txt", "sky\r\nroad surface\ntree\n");
  set.options.labels = {(set.folder / "names.txt").string()};
  CHECK(cell(test::table_of(set.score(), "Classes"), "road surface", "IoU") == 100);
  set.options.classes = 4;
  CHECK(contains(set.error(Exit::usage), "3 names for --classes 4"));
  test::write_plainly(set.folder / "names.txt", "\n");
  CHECK(contains(set.error(), "names.txt: is empty"));
  test::write_plainly(set.folder / "names.txt", "sky\nroad\nsky\n");
  CHECK(contains(set.error(), "names.txt: names 'sky' twice"));
  test::fs::remove(set.folder / "names.txt");
  CHECK(contains(set.error(Exit::no_input), "names.txt: no such file"));
}

TEST_CASE("files are paired by their path without suffixes") {
  Set set;
  set.options.truth_suffix = "_gt", set.options.prediction_suffix = "_pred";
  test::save(set.folder / "truth" / "city" / "x_gt.png", mask({"12"}));
  test::save(set.folder / "truth" / "city" / "x_color.png", mask({"9"}));  // no label image of ours
  test::save(set.folder / "results" / "city" / "x_pred.png", mask({"12"}));
  test::write_plainly(set.folder / "truth" / "city" / "._x_gt.png", "a file manager's own");
  const manifest::Metrics metrics = set.score();
  CHECK(value_of(metrics, "mIoU") == 100);
  CHECK(test::table_of(metrics, "Best by mIoU of the image").at("frames")[0].at("name") == "city/x");
}

TEST_CASE("bad input is named by file and pixel") {
  Set set;
  CHECK(contains(set.error(), "no label image in it"));
  set.add("a", mask({"12", ".."}), mask({"12", ".7"}));
  CHECK(contains(set.error(), "results/a.png: label 7 at column 1, row 1: neither a class (0 to 2) nor void"));
  set.add("a", mask({"12", "4."}), mask({"12", ".."}));
  CHECK(contains(set.error(), "truth/a.png: label 4 at column 0, row 1"));
  set.add("a", mask({"12"}), mask({"1"}));
  CHECK(contains(set.error(), "results/a.png: 1 x 1 pixels, but the truth"));
  test::fs::remove(set.folder / "results" / "a.png");
  CHECK(contains(set.error(), "results/a.png: missing"));
  test::write_plainly(set.folder / "results" / "a.png", "no image");
  CHECK(contains(set.error(), "results/a.png: is no PNG"));
  set.options.images = "/nowhere";
  CHECK(contains(set.error(Exit::no_input), "--images /nowhere"));
  set.options.truth = "/nowhere";
  CHECK(contains(set.error(Exit::no_input), "--truth /nowhere"));
}
