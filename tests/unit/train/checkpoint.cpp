#include "train/checkpoint.h"

#include "core/error.h"
#include "train/record.h"
#include "train/run_folder.h"
#include "unit/support.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

using namespace selfsight;
namespace fs = std::filesystem;

namespace {

train::CheckpointState state_at(std::int64_t step) {
  train::CheckpointState state;
  state.step = step;
  state.tensors = {{"method/w", torch::full({3}, static_cast<double>(step))}};
  state.facts = {{"note", step}};
  return state;
}

void spoil(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(-2, std::ios::end);
  stream.put('\x7f');
}

}  // namespace

TEST_CASE("checkpoints: the newest comes back, older ones are dropped only beyond the number kept") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path() / "c", {.newest = 2});
  CHECK_FALSE(checkpoints.newest().has_value());
  for (const std::int64_t step : {5, 90, 1000}) checkpoints.save(state_at(step));
  const auto newest = checkpoints.newest();
  REQUIRE(newest.has_value());
  CHECK(newest->step == 1000);
  CHECK(newest->facts.at("note") == 1000);
  CHECK(torch::equal(newest->tensors.at("method/w"), torch::full({3}, 1000.0)));
  CHECK(fs::exists(folder.path() / "c" / "step-0000000090"));
  CHECK_FALSE(fs::exists(folder.path() / "c" / "step-0000000005"));
}

TEST_CASE("checkpoints: a damaged newest one falls back to the one before") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path(), {.newest = 3});
  for (const std::int64_t step : {1, 2, 3}) checkpoints.save(state_at(step));
  spoil(folder.path() / "step-0000000003" / "state.safetensors");
  CHECK(checkpoints.newest()->step == 2);
  core::write_atomically(folder.path() / "step-0000000002" / "checkpoint.json", std::string_view("{"));
  CHECK(checkpoints.newest()->step == 1);
  fs::remove(folder.path() / "step-0000000001" / "state.safetensors");
  for (int again = 0; again < 2; ++again)  // to begin anew by itself would throw the run's record away
    CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { static_cast<void>(checkpoints.newest()); }), folder.path().string()));
}

TEST_CASE("checkpoints: a damaged one is set aside, neither counted among those kept nor in the way of its step") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path(), {.newest = 1});
  checkpoints.save(state_at(1));
  fs::copy(folder.path() / "step-0000000001", folder.path() / "step-0000000002", fs::copy_options::recursive);
  spoil(folder.path() / "step-0000000002" / "state.safetensors");
  CHECK(checkpoints.newest()->step == 1);
  CHECK(fs::exists(folder.path() / "damaged-step-0000000002"));
  checkpoints.save(state_at(2));
  CHECK(checkpoints.newest()->step == 2);
  CHECK_FALSE(fs::exists(folder.path() / "step-0000000001"));
}

TEST_CASE("checkpoints: one written amid faults is gone on from, but never gone back to, and does not push the last clean one out") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path(), {.newest = 1});
  checkpoints.save(state_at(1));
  auto suspect = state_at(2);
  suspect.suspect = true;
  checkpoints.save(suspect);
  CHECK(checkpoints.newest()->step == 2);
  CHECK(checkpoints.newest()->suspect);
  CHECK(checkpoints.newest_clean()->step == 1);
  checkpoints.save(state_at(3));
  CHECK(checkpoints.newest_clean()->step == 3);
  CHECK_FALSE(fs::exists(folder.path() / "step-0000000001"));
  CHECK_FALSE(fs::exists(folder.path() / "step-0000000002"));
}

TEST_CASE("checkpoints: a number in checkpoint.json that is another than was written is noticed") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path(), {});
  for (const std::int64_t step : {1, 2}) checkpoints.save(state_at(step));
  const fs::path file = folder.path() / "step-0000000002" / "checkpoint.json";
  std::string text = core::read_text(file);
  const auto place = text.find("\"note\": 2");
  REQUIRE(place != std::string::npos);
  text[place + 8] = '7';
  core::write_atomically(file, text);
  CHECK(checkpoints.newest()->step == 1);
}

TEST_CASE("checkpoints: beside the newest stay those of every so many epochs, and the best by kNN, the earliest of equals") {
  const test::Folder folder;
  const train::Checkpoints checkpoints(folder.path(), {.newest = 1, .every = 4, .best = true});
  const std::vector<double> knn = {0.3, 0.5, 0.4, 0.45, 0.5, 0.1, 0.2, 0.2, 0.3};
  for (std::size_t i = 0; i < knn.size(); ++i) {
    auto state = state_at(static_cast<std::int64_t>(10 * (i + 1)));
    state.epoch = static_cast<std::int64_t>(i + 1);
    state.knn = knn[i];
    CHECK(checkpoints.worth_keeping(state.epoch, state.knn) == (i == 0 || i == 1 || i == 3 || i == 7));
    checkpoints.save(state);
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"step-0000000020", "step-0000000040", "step-0000000080", "step-0000000090"});
  CHECK(checkpoints.newest()->knn == 0.3);
}

TEST_CASE("a run is longer when its epochs or its limit of steps grow and nothing else differs") {
  const nlohmann::json run = {{"epochs", 10}, {"max-steps", 0}, {"lr", 0.1}};
  const auto with = [&](const nlohmann::json& changes) {
    auto out = run;
    out.update(changes);
    return out;
  };
  CHECK(train::is_longer(run, with({{"epochs", 11}})));
  CHECK_FALSE(train::is_longer(run, run));
  CHECK_FALSE(train::is_longer(run, with({{"epochs", 9}})));
  CHECK_FALSE(train::is_longer(run, with({{"epochs", 11}, {"lr", 0.2}})));
  CHECK_FALSE(train::is_longer(run, with({{"epochs", 11}, {"max-steps", 5}})));  // a limit where there was none
  CHECK(train::is_longer(with({{"max-steps", 5}}), run));
  CHECK(train::is_longer(with({{"max-steps", 5}}), with({{"max-steps", 6}})));
}

TEST_CASE("records are cut back to what a checkpoint remembers, and refuse to be shorter") {
  const test::Folder folder;
  const fs::path path = folder.path() / "metrics.jsonl";
  std::int64_t bytes = 0;
  {
    train::Record record(path, 0);
    record.write({{"a", 1}});
    bytes = record.sync();
    record.write({{"a", 2}});
  }
  {
    train::Record record(path, bytes);
    record.write({{"a", 3}});
  }
  CHECK(core::read_text(path) == "{\"a\":1}\n{\"a\":3}\n");
  CHECK_THROWS_AS(train::Record(path, 1000), core::Error);
}

TEST_CASE("a run folder belongs to one configuration and one live run, and never to foreign files") {
  const test::Folder folder;
  const fs::path path = folder.path() / "run";
  {
    const train::RunFolder refused(path, {{"lr", 0.1}});
    CHECK_THROWS_AS(train::RunFolder(path, {{"lr", 0.1}}), core::Error);  // still held
  }
  CHECK_FALSE(fs::exists(path));  // nothing came of it
  {
    train::RunFolder one(path, {{"lr", 0.1}});
    one.claim();
  }
  // What a killed run was writing goes with the next start. No process has a number this high.
  const fs::path torn = path / ".weights.safetensors.selfsight-tmp-2147483647-3";
  core::write_atomically(torn, std::string_view("half"));
  { const train::RunFolder again(path, {{"lr", 0.1}}); }
  CHECK_FALSE(fs::exists(torn));
  {
    train::RunFolder other(path, {{"lr", 0.3}});  // nothing was saved yet
    other.claim();
  }
  core::write_atomically(path / "checkpoints" / "step-0000000001" / "checkpoint.json", std::string_view("{}"));
  try {
    const train::RunFolder other(path, {{"lr", 0.2}});
    FAIL("accepted");
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::usage);
    CHECK(std::string(error.what()).find("lr: 0.3 there, 0.2 here") != std::string::npos);
  }
  const fs::path foreign = folder.path() / "foreign";
  core::write_atomically(foreign / "thesis.txt", std::string_view("precious"));
  try {
    const train::RunFolder other(foreign, nlohmann::json::object());
    FAIL("accepted");
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::cannot_create);
  }
}
