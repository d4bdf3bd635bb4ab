// The rules of the official DAVIS program, one by one, and what is refused.
#include "score/vos.h"

#include "core/rng.h"
#include "unit/score/masks.h"

using namespace selfsight;
using core::Exit;
using test::cell;
using test::contains;
using test::mask;
using test::value_of;

namespace {

using Frames = std::vector<data::Labels>;

/// A folder with one truth and one prediction, by sequence.
struct Set {
  test::Folder folder;
  score::VosOptions options;
  Set() { options.truth = (folder / "truth").string(); }
  void add(const std::string& name, const Frames& truth, const Frames& prediction) const {
    test::save_frames(folder / "truth" / name, truth);
    test::save_frames(folder / "results" / name, prediction);
  }
  manifest::Metrics score(int threads = 1) const { return score::score_vos(options, (folder / "results").string(), threads); }
  [[nodiscard]] std::string error(Exit exit = Exit::bad_data) const {
    return test::error_of(exit, [&] { score(); });
  }
};

const data::Labels left = mask({"11..", "11..", "11.."}), right = mask({"..11", "..11", "..11"}), empty = mask({"....", "....", "...."});

}  // namespace

TEST_CASE("semi-supervised: the first and the last frame are left out, and need no prediction") {
  Set set;
  set.add("a", {left, left, left, left}, {right, left, right, right});
  CHECK(value_of(set.score(), "J mean") == 50);
  test::write_plainly(set.folder / "truth" / "a" / "._00001.png", "a file manager's own");
  core::fs::create_directories(set.folder / "truth" / ".ipynb_checkpoints");
  core::fs::remove(set.folder / "results" / "a" / "00000.png");
  core::fs::remove(set.folder / "results" / "a" / "00003.png");
  CHECK(value_of(set.score(), "J mean") == 50);
  CHECK(set.score().rows[0].protocol.at("frames") == 2);
  set.options.task = "unsupervised";
  CHECK(contains(set.error(), "a/00000.png: missing"));
}

TEST_CASE("unsupervised: every frame counts") {
  Set set;
  set.options.task = "unsupervised";
  set.add("a", {left, left, left, left}, {right, left, left, left});
  CHECK(value_of(set.score(), "J mean") == 75);
}

TEST_CASE("255 is background in the semi-supervised task and void in the unsupervised one") {
  const data::Labels truth = mask({"1#..", "1#..", "1#.."}), prediction = mask({"11..", "11..", "11.."});
  Set set;
  set.add("a", {truth, truth, truth}, {prediction, prediction, prediction});
  CHECK(value_of(set.score(), "J mean") == 50);
  set.options.task = "unsupervised";
  CHECK(value_of(set.score(), "J mean") == 100);
  CHECK(value_of(set.score(), "F mean") == 100);
  CHECK(value_of(set.score(), "mIoU") == 100);
}

TEST_CASE("255 in a prediction is an index like others: too high") {
  const data::Labels bad = mask({"1#..", "1#..", "1#.."});
  Set set;
  set.add("a", {left, left, left}, {left, bad, left});
  CHECK(contains(set.error(), "a/00001.png: index 255, but the sequence a has 1 objects"));
  set.options.task = "unsupervised";
  CHECK(contains(set.error(), "index 255, but at most 20 proposals"));
}

TEST_CASE("objects are counted in the first frame only; a gap in the indices is an object") {
  const data::Labels two = mask({"11.2", "11.2", "11.2"}), third = mask({"3...", "....", "...."});
  Set set;
  set.add("late", {left, two, two, left}, {left, left, left, left});
  CHECK(value_of(set.score(), "J mean") == 100);
  CHECK(test::table_of(set.score(), "Objects").at("rows").size() == 1);
  Set gap;  // objects 1 and 2 never seen: empty against empty
  gap.add("gap", {third, third, third}, {empty, empty, empty});
  CHECK(test::table_of(gap.score(), "Objects").at("rows").size() == 3);
  CHECK(cell(test::table_of(gap.score(), "Objects"), "gap_1", "J") == 100);
  CHECK(cell(test::table_of(gap.score(), "Objects"), "gap_1", "F") == 100);
  CHECK(cell(test::table_of(gap.score(), "Objects"), "gap_3", "J") == 0);
}

TEST_CASE("empty against empty is 1, empty against something 0, in J and F") {
  Set set;
  set.add("gone", {left, empty, empty, left}, {left, empty, left, left});
  CHECK(value_of(set.score(), "J mean") == 50);
  CHECK(value_of(set.score(), "F mean") == 50);
}

TEST_CASE("fewer predicted objects than there are: the missing ones are empty") {
  const data::Labels two = mask({"11.2", "11.2", "11.2"});
  for (const char* task : {"semi-supervised", "unsupervised"}) {
    Set set;
    set.options.task = task;
    set.add("a", {two, two, two}, {left, left, left});
    CHECK(value_of(set.score(), "J mean") == 50);
    CHECK(value_of(set.score(), "F mean") == 50);
  }
}

TEST_CASE("more proposals than objects: the best are taken, up to the bound") {
  const data::Labels prediction = mask({"3334", "3334", "3334"}), many = mask({"1234", "5678", "9111"});
  Set set;
  set.options.task = "unsupervised";
  set.add("a", {left, left}, {prediction, prediction});
  const manifest::Metrics metrics = set.score();
  CHECK(value_of(metrics, "J mean") == doctest::Approx(100 * 6.0 / 9));
  CHECK(cell(test::table_of(metrics, "Objects"), "a_1", "proposal") == 3);
  Set bound;
  bound.options.task = "unsupervised", bound.options.max_proposals = 8;
  bound.add("a", {left, left}, {many, left});
  CHECK(contains(bound.error(), "a/00000.png: index 9, but at most 8 proposals are allowed (--max-proposals)"));
  bound.options.max_proposals = 9;
  CHECK(value_of(bound.score(), "J mean") > 50);
}

TEST_CASE("unsupervised rows of objects come in the order of their proposals, and say which object they are") {
  const data::Labels truth = mask({"11.2", "11.2", "11.2"}), swapped = mask({"22.1", "22..", "22.1"});
  Set set;
  set.options.task = "unsupervised";
  set.add("a", {truth, truth}, {swapped, swapped});
  const manifest::Metrics metrics = set.score();
  const manifest::Json& objects = test::table_of(metrics, "Objects");
  CHECK(cell(objects, "a_1", "object") == 2);
  CHECK(cell(objects, "a_1", "proposal") == 1);
  CHECK(cell(objects, "a_1", "J") == doctest::Approx(100 * 2.0 / 3));
  CHECK(cell(objects, "a_2", "object") == 1);
  CHECK(cell(objects, "a_2", "J") == 100);
}

TEST_CASE("the matching holds for the whole sequence") {
  // Proposal 1 is the object in two of three frames, proposal 2 in one.
  const data::Labels second = mask({"22..", "22..", "22.."});
  Set set;
  set.options.task = "unsupervised";
  set.add("a", {left, left, left}, {left, second, left});
  CHECK(value_of(set.score(), "J mean") == doctest::Approx(100 * 2.0 / 3));
  CHECK(value_of(set.score(), "mIoU per frame") == 100);
}

TEST_CASE("an index above the number of objects is an error, named by file") {
  Set set;
  set.add("a", {left, left, left}, {left, mask({"1122", "11..", "11.."}), left});
  CHECK(contains(set.error(), "a/00001.png: index 2, but the sequence a has 1 objects in its first frame"));
}

TEST_CASE("decay over 256 scored frames: the official figure, and the corrected one beside it") {
  // Object 1 is found in the first half of 300 scored frames.
  Frames truth(302, left), prediction(302, left);
  for (std::size_t k = 151; k < prediction.size(); ++k) prediction[k] = right;
  Set set;
  set.add("long", truth, prediction);
  set.add("short", Frames(10, left), Frames(10, left));
  const manifest::Metrics metrics = set.score(2);
  CHECK(std::isnan(value_of(metrics, "J decay")));  // one undefined decay makes that of the whole set undefined
  CHECK(std::isnan(value_of(metrics, "F decay")));
  CHECK(value_of(metrics, "J decay, corrected") == 50);
  CHECK(manifest::to_json(metrics, "/").at("rows")[3].at("value").is_null());
  set.options.sequences = {"short"};
  CHECK(value_of(set.score(), "J decay") == 0);
  CHECK_FALSE(test::has_row(set.score(), "J decay, corrected"));
}

TEST_CASE("a single object: every index above 0 is foreground, on both sides") {
  const data::Labels truth = mask({"##..", "##..", "##.."}), prediction = mask({"13..", "23..", "22.."});
  Set set;
  set.add("a", {truth, truth, truth}, {prediction, prediction, prediction});
  CHECK(contains(set.error(), "--single-object"));  // DAVIS-2016 masks without the option
  set.options.single_object = true;
  CHECK(value_of(set.score(), "J mean") == 100);
  set.options.task = "unsupervised";
  CHECK(value_of(set.score(), "J mean") == 100);
}

TEST_CASE("missing frames, sequences and sizes that differ are named") {
  Set set;
  set.add("a", {left, left, left, left}, {left, left, left, left});
  set.add("b", {left, left, left}, {left, left, left});
  test::save(set.folder / "results" / "b" / "00001.png", mask({"1.", "1."}));
  CHECK(contains(set.error(), "b/00001.png: 2 x 2 pixels, but the truth"));
  core::fs::remove(set.folder / "results" / "a" / "00002.png");
  set.options.sequences = {"a"};
  CHECK(contains(set.error(), "results/a/00002.png: missing, the prediction for"));
  core::fs::remove_all(set.folder / "results" / "b");
  set.options.sequences = {"b"};
  CHECK(contains(set.error(), "results/b: missing, the predictions for the sequence b"));
  set.options.sequences = {"c"};
  CHECK(contains(set.error(Exit::no_input), "truth/c: no such folder of annotations"));
  set.options.sequences = {};
  set.options.set = "val";
  CHECK(contains(set.error(Exit::usage), "has no lists (ImageSets); --sequences names"));
  set.options.truth = "/nowhere";
  CHECK(contains(set.error(Exit::no_input), "--truth /nowhere"));
  set.options.truth = "";
  CHECK(contains(set.error(Exit::usage), "--truth DIR"));
  CHECK(contains(test::error_of(Exit::no_input, [&] { score::score_vos(set.options = Set().options, "/nowhere", 1); }), "/nowhere"));
}

TEST_CASE("too few frames, and annotations without any sequence") {
  Set set;
  set.add("a", {left, left}, {left, left});
  CHECK(contains(set.error(), "2 annotated frames (PNG), at least 3 are needed"));
  core::fs::remove_all(set.folder / "truth" / "a");
  CHECK(contains(set.error(), "no folder of a sequence"));
}

TEST_CASE("the layouts of DAVIS: resolutions, annotations of a task, lists of sequences") {
  test::Folder root;
  for (const char* name : {"a", "b", "c"}) {
    test::save_frames(root / "DAVIS" / "Annotations" / "480p" / name, {left, left, left});
    test::save_frames(root / "DAVIS" / "Annotations_unsupervised" / "480p" / name, {right, right, right});
    test::save_frames(root / "results" / name, {left, left, left});
  }
  test::fs::create_directories(root / "DAVIS" / "ImageSets" / "2017");
  test::fs::create_directories(root / "DAVIS" / "ImageSets" / "2016");
  test::write_plainly(root / "DAVIS" / "ImageSets" / "2017" / "val.txt", "b\r\n\nc\n");
  test::write_plainly(
      root / "DAVIS" / "ImageSets" / "2016" / "val.txt",
      "/JPEGImages/480p/a/00000.jpg /Annotations/480p/a/00000.png\n/JPEGImages/480p/a/00001.jpg /Annotations/480p/a/00001.png\n");
  test::fs::create_directories(root / "DAVIS" / "JPEGImages" / "480p" / "b");
  test::write_plainly(root / "DAVIS" / "JPEGImages" / "480p" / "b" / "00001.jpg", "an image");
  score::VosOptions options;
  options.truth = (root / "DAVIS").string();
  const auto score = [&] { return score::score_vos(options, (root / "results").string(), 1); };
  const auto names = [&] {
    std::string out;
    const manifest::Metrics metrics = score();
    for (const auto& row : test::table_of(metrics, "Sequences").at("rows")) out += row.at("name").get<std::string>();
    return out;
  };
  CHECK(names() == "abc");
  options.set = "val";
  CHECK(names() == "bc");
  CHECK(value_of(score(), "J mean") == 100);
  CHECK(score().rows[0].split == "val");
  CHECK(test::table_of(score(), "Worst by J&F").at("frames")[0].at("image").at("path") ==
        (root / "DAVIS" / "JPEGImages" / "480p" / "b" / "00001.jpg").string());
  options.single_object = true;
  CHECK(names() == "a");
  options.single_object = false;
  options.task = "unsupervised";
  CHECK(value_of(score(), "J mean") == 0);  // its own annotations
  options.annotations = "Annotations";
  CHECK(value_of(score(), "J mean") == 100);
  options.annotations = "Masks";
  CHECK(contains(test::error_of(Exit::no_input, [&] { score(); }), "no folder Masks"));
  options.annotations = "";
  options.resolution = "1080p";
  CHECK(contains(test::error_of(Exit::no_input, [&] { score(); }), "--resolution: " + (root / "DAVIS").string()));
  options.resolution = "480p";
  CHECK(names() == "bc");
  options.set = "test";
  CHECK(contains(test::error_of(Exit::no_input, [&] { score(); }), "--set test: no such file, and no list"));
  // A plain folder of sequences has neither resolutions nor lists; a list of one's own is a file.
  options.truth = (root / "DAVIS" / "Annotations" / "480p").string();
  CHECK(contains(test::error_of(Exit::usage, [&] { score(); }), "--resolution 480p"));
  options.resolution = "";
  CHECK(contains(test::error_of(Exit::usage, [&] { score(); }), "has no lists (ImageSets)"));
  options.set = (root / "DAVIS" / "ImageSets" / "2017" / "val.txt").string();
  CHECK(names() == "bc");
  options.set = "";
  test::fs::rename(root / "DAVIS" / "Annotations" / "480p", root / "DAVIS" / "Annotations" / "Full-Resolution");
  options.truth = (root / "DAVIS").string();
  options.task = "semi-supervised";
  test::save_frames(root / "results" / "Full-Resolution", {left});
  CHECK(contains(test::error_of(Exit::bad_data, [&] { score(); }), "--resolution Full-Resolution"));
}

TEST_CASE("a predictions manifest names the folder, and becomes an input") {
  Set set;
  set.add("a", {left, left, left}, {left, left, left});
  manifest::Predictions predictions;
  predictions.task = score::vos_task;
  predictions.data.path = set.folder / "results";
  const auto write = [&] {
    test::write_plainly(set.folder / "predictions.json", manifest::to_json(predictions, set.folder.path()).dump());
    return (set.folder / "predictions.json").string();
  };
  const manifest::Metrics metrics = score::score_vos(set.options, write(), 1);
  CHECK(value_of(metrics, "J mean") == 100);
  REQUIRE(metrics.inputs.size() == 1);
  CHECK(metrics.inputs[0].at("kind") == "predictions");
  predictions.task = "detection";
  CHECK(contains(test::error_of(Exit::bad_data, [&] { score::score_vos(set.options, write(), 1); }), "/task: expected predictions of"));
  predictions.task = score::vos_task;
  predictions.data.path = set.folder / "nowhere";
  CHECK(contains(test::error_of(Exit::no_input, [&] { score::score_vos(set.options, write(), 1); }), "nowhere"));
}

TEST_CASE("worst, middle and best frames are named in order") {
  Set set;
  set.options.overlays = 2;
  set.add("a", Frames(9, left),
          {left, left, right, mask({"11..", "11..", "...."}), mask({"11..", "....", "...."}), left, mask({"1...", "....", "...."}), left,
           left});
  const manifest::Metrics metrics = set.score();
  const auto names = [&](const char* title) {
    std::string out;
    for (const auto& frame : test::table_of(metrics, title).at("frames")) out += frame.at("name").get<std::string>() + " ";
    return out;
  };
  CHECK(names("Worst by J&F") == "a/00006 a/00002 ");  // the boundaries of left and right are the same
  CHECK(names("Median by J&F") == "a/00004 a/00003 ");
  CHECK(names("Best by J&F") == "a/00005 a/00007 ");
  CHECK_FALSE(test::table_of(metrics, "Worst by J&F").at("frames")[0].contains("image"));
  test::text_of(metrics);
}

TEST_CASE("random videos: relabelling proposals changes nothing, threads change nothing, every value lies where it may") {
  core::Rng rng(11, core::Stream::test);
  for (int round = 0; round < 60; ++round) {
    const auto side = [&] { return 1 + static_cast<std::int64_t>(rng.below(9)); };
    const std::int64_t height = side(), width = side();
    const std::uint64_t objects = 1 + rng.below(4), proposals = rng.below(7);
    std::vector<std::uint16_t> to{0};
    for (std::uint64_t k = 1; k <= proposals; ++k) to.push_back(static_cast<std::uint16_t>(k));
    std::vector<std::uint16_t> tail(to.begin() + 1, to.end());
    rng.shuffle(tail);
    std::copy(tail.begin(), tail.end(), to.begin() + 1);
    Frames truth, prediction, relabelled;
    for (int n = 0; n < 4; ++n) {
      data::Labels t(height, width), p(height, width), r(height, width);
      for (std::size_t i = 0; i < t.values.size(); ++i) {
        t.values[i] = rng.chance(0.1) ? 255 : static_cast<std::uint16_t>(rng.below(objects + 1));
        p.values[i] = static_cast<std::uint16_t>(rng.below(proposals + 1));
        r.values[i] = to[p.values[i]];
      }
      if (n == 0) t.values[0] = static_cast<std::uint16_t>(objects);
      truth.push_back(t), prediction.push_back(p), relabelled.push_back(r);
    }
    Set one, other;
    one.options.task = other.options.task = "unsupervised";
    one.add("a", truth, prediction), other.add("a", truth, relabelled);
    const manifest::Metrics metrics = one.score(1), again = one.score(4), permuted = other.score(1);
    CHECK(test::text_of(metrics) == test::text_of(again));
    for (const char* name : {"J&F mean", "FG-ARI", "mIoU", "FG-ARI per frame", "mIoU per frame"}) {
      const double value = value_of(metrics, name), same = value_of(permuted, name);
      CAPTURE(name);
      CHECK((std::isnan(value) ? std::isnan(same) : value == doctest::Approx(same).epsilon(1e-12)));
      if (!std::isnan(value)) CHECK(value <= 100);
    }
  }
}
