// The whole probe on a small real run: protocols, baselines, pairing, reuse of features.
#include "tasks/probe.h"
#include "core/files.h"
#include "data/source.h"
#include "unit/methods/runs.h"

#include <doctest/doctest.h>

using namespace selfsight;
using test::Folder;

namespace {

const manifest::Row& row_of(const manifest::Metrics& metrics, const std::string& name, const std::string& subject) {
  for (const auto& row : metrics.rows)
    if (row.name == name && row.subject == subject) return row;
  throw std::runtime_error("no row " + name + " of " + subject);
}

}  // namespace

TEST_CASE("every protocol gives rows with their meaning; pixels at 100 labels score what they are known to; features are used again") {
  Folder folder;
  auto run = test::make_run("simclr", folder.path() / "run", {{"images", 2048}, {"epochs", 1}});
  const auto model = train::pretrain(run);
  tasks::ProbeOptions options;
  options.protocols = {"linear", "knn", "few-labels", "fine-tune"};
  options.baselines = {"pixels", "untrained"};
  options.labels = {"100"};
  options.linear.epochs = 2;
  options.fine_tune_labels = {"100"};
  options.fine_tune.epochs = 1;
  options.fine_tune.least_steps = 20;
  const auto dataset = test::fashion_mnist();
  const auto first = tasks::probe(model, dataset, options, {folder.path() / "judged", "ssl-linear"});

  // Fashion-MNIST's pixels, 100 labels, logistic regression on standardised values: 68.8 ± 1.8 over draws.
  const auto& pixels = row_of(first, "few-label top-1", "pixels");
  CHECK(pixels.samples.size() == 5);
  CHECK(pixels.value > 65.0);
  CHECK(pixels.value < 73.0);
  // 20 nearest neighbours of 60,000 images in pixels: 84.5 with plain votes.
  CHECK(row_of(first, "kNN top-1", "pixels").value == doctest::Approx(84.5).epsilon(0.01));
  CHECK(row_of(first, "kNN top-1", "pixels").protocol.at("k") == 20);
  for (const char* name : {"linear top-1", "kNN top-1", "few-label top-1", "fine-tune top-1"}) {
    CHECK(row_of(first, name, "simclr").value > 20);
    CHECK(row_of(first, name, "simclr").protocol.contains("labels"));
    CHECK(row_of(first, name, "simclr").unit == "%");
  }
  const auto& paired = row_of(first, "few-label top-1 difference to pixels", "simclr");
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(paired.samples[i] == doctest::Approx(row_of(first, "few-label top-1", "simclr").samples[i] - pixels.samples[i]));

  const auto second = tasks::probe(model, dataset, options, {folder.path() / "judged", "ssl-linear"});
  REQUIRE(second.rows.size() == first.rows.size());
  for (std::size_t i = 0; i < first.rows.size(); ++i) CHECK(second.rows[i].value == first.rows[i].value);

  core::write_atomically(folder.path() / "foreign" / "notes.txt", std::string_view("precious"));
  try {
    tasks::probe(model, dataset, options, {folder.path() / "foreign", "ssl-linear"});
    FAIL("accepted");
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::cannot_create);
  }
}

TEST_CASE("several layers are judged each on its own, against the same layer of the baseline; pixels once") {
  Folder folder, images;
  for (const std::string split : {"train", "test"})
    for (const std::string name : {"a", "b"})
      for (int i = 0; i < 16; ++i) {
        data::Image image(16, 16, 1);
        for (std::size_t p = 0; p < image.pixels.size(); ++p)
          image.pixels[p] = static_cast<std::uint8_t>(p * (name == "a" ? 3 : 7) + 11 * i);
        core::write_atomically(images.path() / split / name / fmt::format("{:02}.png", i), data::encode_png(image));
      }
  auto run = test::make_run("simclr", folder.path() / "run", {{"images", 0}, {"batch", 8}, {"view-size", 16}});
  run.dataset = data::describe("folder", images.path());
  const auto model = train::pretrain(run);
  tasks::ProbeOptions options;
  options.protocols = {"few-labels", "knn", "fine-tune"};
  options.baselines = {"pixels", "untrained"};
  options.labels = {"8"};
  options.knn_k = {3};
  options.draws = 2;
  options.fine_tune_labels = {"8"};
  options.fine_tune.epochs = 1;
  options.fine_tune.least_steps = 1;
  options.layers = {"layer1", "layer4"};
  const auto both = tasks::probe(model, run.dataset, options, {folder.path() / "both", "ssl-linear"});
  options.layers = {"layer4"};
  const auto alone = tasks::probe(model, run.dataset, options, {folder.path() / "alone", "ssl-linear"});

  const auto rows = [](const manifest::Metrics& metrics, const std::string& name, const std::string& subject) {
    std::vector<manifest::Row> out;
    for (const auto& row : metrics.rows)
      if (row.name == name && row.subject == subject) out.push_back(row);
    return out;
  };
  for (const char* name :
       {"few-label top-1", "kNN top-1", "few-label top-1 difference to untrained", "few-label top-1 difference to pixels"}) {
    CAPTURE(name);
    const auto found = rows(both, name, "simclr");
    REQUIRE(found.size() == 2);
    CHECK(found[0].protocol.at("features") == "layer1");
    CHECK(found[1].protocol.at("features") == "layer4");
    CHECK(found[1].value == rows(alone, name, "simclr").at(0).value);
  }
  CHECK(rows(both, "kNN top-1", "untrained").size() == 2);
  CHECK(rows(both, "kNN top-1", "pixels").size() == 1);
  for (const char* subject : {"simclr", "untrained"}) CHECK(rows(both, "fine-tune top-1", subject).size() == 1);
  CHECK(rows(both, "fine-tune top-1", "pixels").empty());

  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"layer1", "layer1"}, {"layer1", "layer9"}, {}}) {
    options.layers = wrong;
    CHECK(test::contains(test::error_of(core::Exit::usage,
                                        [&] {
                                          tasks::probe(model, run.dataset, options, {folder.path() / "none", "ssl-linear"});
                                        }),
                         "--layer"));
  }
}
