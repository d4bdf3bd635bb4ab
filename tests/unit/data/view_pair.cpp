// The options of a pair of views: BYOL's published numbers to begin with, and what is refused.
#include "data/view_pair.h"
#include "unit/data/support.h"

namespace selfsight::data {
namespace {

TEST_CASE("a pair of views starts as BYOL's, and takes what differs between the two from lists") {
  ViewPair pair;
  const auto published = byol_recipes(224), recipes = pair.recipes();
  REQUIRE(recipes.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(recipes[i].name == published[i].name);
    CHECK(recipes[i].blur == published[i].blur);
    CHECK(recipes[i].solarize == published[i].solarize);
    CHECK(recipes[i].filter == published[i].filter);
    CHECK(recipes[i].jitter == published[i].jitter);
  }
  core::Options options;
  pair.describe(options);
  CHECK(options.find("view-blur") == nullptr);  // one value for both would never be looked at
  CHECK(options.find("view-solarize") == nullptr);
  options.set_json({{"view-blurs", {0.25, 0.5}}, {"view-solarizes", {0.75, 1.0}}, {"view-scale-min", 0.4}}, "test");
  CHECK(pair.recipes()[0].blur == 0.25);
  CHECK(pair.recipes()[1].blur == 0.5);
  CHECK(pair.recipes()[0].solarize == 0.75);
  CHECK(pair.recipes()[1].solarize == 1.0);
  CHECK(pair.recipes()[1].scale_min == 0.4);
  options.set_json({{"view-solarizes", {0.1, 0.2, 0.3}}}, "test");
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { (void)pair.recipes(); }), "--view-solarizes"));
}

}  // namespace
}  // namespace selfsight::data
