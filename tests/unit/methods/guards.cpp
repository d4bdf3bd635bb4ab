// The trainer's guards, each by a fault that is put in on purpose.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "data/source.h"

#include <cmath>
#include <limits>
#include <set>

using namespace selfsight;
using test::Folder;
namespace fs = std::filesystem;

namespace {

/// What goes wrong, by the number of the call of step() (a run that goes back makes further calls).
struct Fault {
  std::set<std::int64_t> calls;
  bool in_gradient = false;  ///< the loss stays finite
  bool in_every_call = false;
  bool collapsed = false;  ///< all embeddings are the same, from here on
};
Fault& fault() {
  static Fault instance;
  return instance;
}
std::int64_t& calls() {
  static std::int64_t count = 0;
  return count;
}
std::vector<std::int64_t>& first_samples() {
  static std::vector<std::int64_t> samples;
  return samples;
}

class Faulty : public train::Modifier {
 public:
  using Modifier::Modifier;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override {
    const bool wrong = fault().in_every_call || fault().calls.contains(calls());
    ++calls();
    first_samples().push_back(views.batch->samples.front());
    train::Views seen = views;
    if (wrong && !fault().in_gradient)
      for (auto& x : seen.x) x = x * std::numeric_limits<double>::quiet_NaN();  // reaches the running statistics of every norm
    train::Outcome out = Modifier::step(seen, progress);
    if (wrong && fault().in_gradient) {
      // sqrt at 0: value 0, slope infinite; times 0 it is not a number.
      const torch::Tensor zero = (out.loss - out.loss.detach()).clamp_min(0);
      out.loss = out.loss + zero.sqrt() * 0.0;
    }
    if (fault().collapsed) out.embedding = torch::ones({8, 16});
    return out;
  }
};

train::Run faulty_run(const Folder& folder, const Fault& what, const nlohmann::json& overrides = nlohmann::json::object()) {
  static const bool done = train::ModifierRegistry::instance().add(
      "faulty", {.title = "Faulty", .paper = "none", .summary = "test", .make = [](std::shared_ptr<train::Method> host) {
                   return std::make_shared<Faulty>(std::move(host));
                 }});
  REQUIRE(done);
  fault() = what;
  calls() = 0;
  first_samples().clear();
  nlohmann::json values = {{"checkpoint-steps", 3}};
  values.update(overrides);
  return test::make_run("simclr", folder.path(), values, {"faulty"});
}

std::int64_t steps_recorded(const Folder& folder) {
  std::ifstream record(folder.path() / "metrics.jsonl");
  std::int64_t count = 0;
  for (std::string line; std::getline(record, line);) count += line.find("\"type\":\"step\"") != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a single non-finite update is skipped and leaves nothing behind, not even in the running statistics") {
  for (const bool in_gradient : {false, true}) {
    CAPTURE(in_gradient);
    Folder folder;
    auto run = faulty_run(folder, {.calls = {4, 9}, .in_gradient = in_gradient});
    const auto model = train::pretrain(run);
    CHECK(calls() == 16);
    for (const auto& [name, tensor] : nn::load_tensors(model.weights.path)) {
      CAPTURE(name);
      CHECK(torch::isfinite(tensor).all().item<bool>());
    }
  }
}

TEST_CASE("a streak of non-finite updates goes back to a checkpoint, and on from there with other batches") {
  Folder folder;
  auto run = faulty_run(folder, {.calls = {4, 5, 6, 7, 8}});
  train::pretrain(run);
  // Steps 0 to 8, back to the checkpoint of step 3, then 3 to 15.
  CHECK(calls() == 9 + 13);
  CHECK(steps_recorded(folder) == 16);
  const auto& seen = first_samples();
  CHECK_FALSE(std::equal(seen.begin() + 3, seen.begin() + 9, seen.begin() + 9));

  // Killed after the return and run again, it ends with the same bytes: how often it went back is part of the checkpoint.
  Folder stopped;
  auto part = faulty_run(stopped, {.calls = {4, 5, 6, 7, 8}});
  part.stop_after_step = 11;  // reached only after the return: the streak began at 4
  CHECK_THROWS_AS(train::pretrain(part), core::Error);
  core::request_stop(0);
  fault() = {};
  auto rest = test::make_run("simclr", stopped.path(), {{"checkpoint-steps", 3}}, {"faulty"});
  train::pretrain(rest);
  CHECK(test::text_of(folder.path() / "weights.safetensors") == test::text_of(stopped.path() / "weights.safetensors"));
  CHECK(test::text_of(folder.path() / "metrics.jsonl") == test::text_of(stopped.path() / "metrics.jsonl"));
}

TEST_CASE("stopped amid a streak, a run goes back to the same place as an uninterrupted one, not to what it saved when it was stopped") {
  Folder whole, stopped;
  auto run = faulty_run(whole, {.calls = {4, 5, 6, 7, 8}});
  train::pretrain(run);
  auto part = faulty_run(stopped, {.calls = {4, 5}});
  part.stop_after_step = 6;
  CHECK_THROWS_AS(train::pretrain(part), core::Error);
  core::request_stop(0);
  auto rest = faulty_run(stopped, {.calls = {0, 1, 2}});
  train::pretrain(rest);
  CHECK(test::text_of(whole.path() / "weights.safetensors") == test::text_of(stopped.path() / "weights.safetensors"));
  CHECK(test::text_of(whole.path() / "metrics.jsonl") == test::text_of(stopped.path() / "metrics.jsonl"));
}

TEST_CASE("an image that cannot be decoded is passed over by the online kNN too") {
  Folder folder, images;
  for (const std::string name : {"a", "b"})
    for (int i = 0; i < 24; ++i) {
      data::Image image(28, 28, 1);
      for (std::size_t p = 0; p < image.pixels.size(); ++p) image.pixels[p] = static_cast<std::uint8_t>(p * (name == "a" ? 3 : 7) + 11 * i);
      core::write_atomically(images.path() / "train" / name / fmt::format("{:02}.png", i), data::encode_png(image));
    }
  core::write_atomically(images.path() / "train" / "a" / "05.png", std::string_view("\x89PNG\r\n\x1a\nbroken"));
  auto run = test::make_run("simclr", folder.path(),
                            {{"images", 0}, {"batch", 16}, {"view-size", 28}, {"knn-every", 1}, {"on-bad", "skip"}, {"max-bad", 0.1}});
  run.dataset = data::describe("folder", images.path());
  const auto model = train::pretrain(run);
  REQUIRE(model.training.contains("bad_items"));
  CHECK(model.training.at("bad_items").size() == 1);
  CHECK(test::contains(test::text_of(folder.path() / "metrics.jsonl"), "\"knn\""));
}

TEST_CASE("faults that do not end end the run, with the step and the likely causes") {
  for (const bool in_gradient : {false, true}) {
    Folder folder;
    auto run = faulty_run(folder, {.calls = {}, .in_gradient = in_gradient, .in_every_call = true});
    run.stop_after_step = 0;
    const std::string message = test::error_of(core::Exit::bad_data, [&] { train::pretrain(run); });
    CHECK(test::contains(message, "learning rate"));
  }
}

TEST_CASE("a run whose embeddings collapse says so, once, and its record shows it") {
  Folder folder, messages;
  auto run = faulty_run(folder, {.calls = {}, .collapsed = true}, {{"epochs", 4}});  // 32 steps; a warning comes after 20
  core::set_log_level(core::Level::warning);
  {
    const test::Redirect away(STDERR_FILENO, messages / "stderr");
    train::pretrain(run);
  }
  const std::string said = test::text_of(messages / "stderr");
  core::set_log_level(core::Level::error);
  CHECK(test::contains(said, "step 20: the features have collapsed"));
  CHECK(said.find("collapsed") == said.rfind("collapsed"));
  CHECK(test::contains(test::text_of(folder.path() / "metrics.jsonl"), "\"feature_std\":0.0"));
}

TEST_CASE("a warm-up that is longer than the run is refused") {
  Folder folder;
  auto run = test::make_run("simclr", folder.path(), {{"warmup-epochs", 3}});
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { train::pretrain(run); }), "--warmup-epochs 3"));
}

TEST_CASE("a finished run whose weights were damaged writes them again from its last checkpoint") {
  Folder folder;
  auto run = test::make_run("simclr", folder.path());
  const auto model = train::pretrain(run);
  const std::string whole = test::text_of(folder.path() / "weights.safetensors");
  core::write_atomically(folder.path() / "model.json", manifest::to_json(model, folder.path()).dump());
  for (const bool removed : {true, false}) {
    if (removed) fs::remove(folder.path() / "weights.safetensors");
    if (!removed) core::write_atomically(folder.path() / "weights.safetensors", std::string_view("rubbish"));
    auto again = test::make_run("simclr", folder.path());
    train::pretrain(again);
    CHECK(test::text_of(folder.path() / "weights.safetensors") == whole);
  }
}
