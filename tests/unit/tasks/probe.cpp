// The whole probe on a small real run: protocols, baselines, pairing, reuse of features.
#include "tasks/probe.h"
#include "core/files.h"
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
  const auto first = tasks::probe(model, dataset, options, folder.path() / "judged");

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

  const auto second = tasks::probe(model, dataset, options, folder.path() / "judged");
  REQUIRE(second.rows.size() == first.rows.size());
  for (std::size_t i = 0; i < first.rows.size(); ++i) CHECK(second.rows[i].value == first.rows[i].value);

  core::write_atomically(folder.path() / "foreign" / "notes.txt", std::string_view("precious"));
  try {
    tasks::probe(model, dataset, options, folder.path() / "foreign");
    FAIL("accepted");
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::cannot_create);
  }
}
