// G-SimCLR (arXiv 2009.12007): the head, and the need of a plan. Orders are tested in data, plans as files in data and tasks, NT-Xent in
// nn.
#include "methods/g_simclr.h"
#include "unit/methods/runs.h"

using namespace selfsight;
using test::Built;

TEST_CASE("g-simclr: the projector is three plain layers to 50 dimensions") {
  Built built("g-simclr", nlohmann::json::object());
  const auto* head = built.method->heads().at("projector")->as<nn::Mlp>();
  REQUIRE(head != nullptr);
  CHECK(head->options().dims == std::vector<std::int64_t>{built.method->backbone()->feature_dim(), 256, 128, 50});
  CHECK_FALSE(head->options().batch_norm);
  CHECK(built.step({Built::images(1), Built::images(2)}).embedding.size(1) == 50);
}

TEST_CASE("g-simclr: without a plan it says what it needs") {
  methods::GSimclr method;
  train::Setup setup;
  setup.batch = 8;
  try {
    method.build(setup);
    FAIL("built");
  } catch (const core::Error& error) {
    CHECK(std::string(error.what()).find("--plan PLAN.json") != std::string::npos);
  }
}

TEST_CASE("a run in the batches of a plan sees just these") {
  const test::Folder folder;
  auto run = test::make_run("simclr", folder / "run", {{"plan", test::write_plan(folder.path(), 512, 64).string()}});
  train::pretrain(run);
  // The plan's digest makes the run, not its name.
  auto again = test::make_run("simclr", folder / "run", {{"plan", test::write_plan(test::scratch(), 512, 64).string()}});
  CHECK(again.identity.at("plan").at("digest") == run.identity.at("plan").at("digest"));
  auto other = test::make_run("simclr", folder / "run", {{"plan", test::write_plan(folder.path(), 512, 32).string()}});
  CHECK(other.identity.at("plan").at("digest") != run.identity.at("plan").at("digest"));
  CHECK_THROWS_AS(train::pretrain(other), core::Error);  // batches of 32 for a batch of 64
  const auto model = train::pretrain(again);             // finished already: the same run, though its plan lies elsewhere
  CHECK(model.training.at("steps") == 16);
}
