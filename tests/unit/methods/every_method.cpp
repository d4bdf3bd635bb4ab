// What holds for every registered method. A new method is covered by being registered: there is no list here.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "manifest/safetensors.h"
#include "train/checkpoint.h"

#include <numeric>
#include <set>
#include <sstream>

using namespace selfsight;
using test::Folder;
namespace fs = std::filesystem;

namespace {

bool same_bytes(const fs::path& a, const fs::path& b) { return test::text_of(a) == test::text_of(b); }

}  // namespace

TEST_CASE("every method has the two profiles, a paper, a summary and its needs") {
  for (const auto& name : test::methods()) {
    CAPTURE(name);
    const auto& entry = train::MethodRegistry::instance().find(name, "method");
    CHECK(entry.profiles.contains("published"));
    CHECK(entry.profiles.contains("small"));
    CHECK(!entry.title.empty());
    CHECK(!entry.paper.empty());
    CHECK(!entry.summary.empty());
    CHECK(!entry.needs.empty());
  }
  CHECK(test::methods().size() >= 7);
}

TEST_CASE("every method ends with the same bytes whatever the number of workers, and when it is stopped in mid-epoch and run again") {
  for (const auto& subject : test::subjects()) {
    CAPTURE(subject.name());
    const auto make_run = [&](const Folder& folder, const nlohmann::json& values = nlohmann::json::object()) {
      return test::make_run(subject.method, folder.path(), values, subject.modifiers);
    };
    Folder whole, workers, stopped;
    auto run = make_run(whole);
    train::pretrain(run);

    auto other = make_run(workers, {{"workers", 1}});
    train::pretrain(other);
    CHECK(same_bytes(whole.path() / "weights.safetensors", workers.path() / "weights.safetensors"));
    CHECK(same_bytes(whole.path() / "metrics.jsonl", workers.path() / "metrics.jsonl"));

    // The last checkpoint says which of its networks the model is.
    const auto last = whole.path() / "checkpoints" / "step-0000000016" / "state.safetensors";
    const auto network = nn::with_prefix_removed(nn::load_tensors(last), manifest::Safetensors(last).metadata().at("selfsight.network"));
    const auto model = nn::load_tensors(whole.path() / "weights.safetensors");
    CHECK(network.size() == model.size());
    for (const auto& [name, tensor] : model) CHECK(torch::equal(tensor, network.at(name)));

    // Stops at step 5 of 16 (8 an epoch), in the middle of the first epoch, and at 11, in the middle of the second.
    for (const std::int64_t limit : {5, 11}) {
      auto part = make_run(stopped, {{"workers", 3}});
      part.stop_after_step = limit;
      CHECK_THROWS_AS(train::pretrain(part), core::Error);
      core::request_stop(0);
    }
    auto rest = make_run(stopped);
    train::pretrain(rest);
    CHECK(same_bytes(whole.path() / "weights.safetensors", stopped.path() / "weights.safetensors"));
    CHECK(same_bytes(whole.path() / "metrics.jsonl", stopped.path() / "metrics.jsonl"));
  }
}

TEST_CASE("views made by the device half, on a CPU too, lead to the same bytes") {
  for (const std::string method : {"simclr", "swav", "pixpro", "hsa"}) {
    CAPTURE(method);
    const Folder host, device;
    // Of the 8 batches of an epoch two are left over.
    auto run = test::make_run(method, host.path(), {{"accumulate", 3}});
    train::pretrain(run);
    auto other = test::make_run(method, device.path(), {{"accumulate", 3}, {"augment", "device"}});
    train::pretrain(other);
    for (const char* file : {"weights.safetensors", "metrics.jsonl", "views.png"}) CHECK(same_bytes(host / file, device / file));
  }
}

TEST_CASE("every part of a checkpoint matters: with any one of them from two steps before, the end is another") {
  const auto part_of = [](std::string name) {  // "method/queue", "method/backbone" (a modifier's host too), "optimizer"
    if (name.starts_with("optimizer/")) return std::string("optimizer");
    if (const std::string host = "method/host."; name.starts_with(host)) name = "method/" + name.substr(host.size());
    return name.substr(0, name.find('.'));
  };
  for (const auto& subject : test::subjects()) {
    CAPTURE(subject.name());
    const Folder folder;
    const train::Checkpoints checkpoints(folder.path() / "checkpoints", {.newest = 9});
    // One epoch of 8 steps, stopped at 3 and at 5.
    const auto go_on = [&](std::int64_t stop) {
      auto run = test::make_run(subject.method, folder.path(), {{"epochs", 1}, {"keep", 9}}, subject.modifiers);
      run.stop_after_step = stop;
      if (stop == 0) train::pretrain(run);
      if (stop > 0) CHECK_THROWS_AS(train::pretrain(run), core::Error);
      core::request_stop(0);
    };
    const auto end = [&] {
      go_on(0);
      return test::text_of(folder.path() / "weights.safetensors") + test::text_of(folder.path() / "metrics.jsonl");
    };
    go_on(3);
    const auto before = checkpoints.newest();
    go_on(5);
    const auto state = checkpoints.newest();
    const std::string whole = end();

    const auto end_from = [&](const train::CheckpointState& other) {
      fs::remove_all(folder.path() / "checkpoints");
      checkpoints.save(other);
      return end();
    };
    CHECK(end_from(*state) == whole);
    const auto earlier = [&](const std::string& name, const torch::Tensor& tensor) {  // what was not there yet is 0
      const auto it = before->tensors.find(name);
      return it == before->tensors.end() ? torch::zeros_like(tensor) : it->second;
    };
    std::set<std::string> parts;
    for (const auto& [name, tensor] : state->tensors)
      if (!torch::equal(tensor, earlier(name, tensor))) parts.insert(part_of(name));
    CHECK(parts.contains("optimizer"));
    for (const auto& part : parts) {
      CAPTURE(part);
      auto other = *state;
      for (auto& [name, tensor] : other.tensors)
        if (part_of(name) == part) tensor = earlier(name, tensor);
      CHECK(end_from(other) != whole);
    }
    auto other = *state;  // the place in the order of the samples
    --other.step;
    CHECK(end_from(other) != whole);
  }
}

TEST_CASE("a run that ended in the middle of an epoch goes on when its limit of steps grows, and the epoch's row is of all its steps") {
  const Folder folder;
  for (const std::int64_t limit : {12, 24}) {
    auto run = test::make_run("simclr", folder.path(), {{"epochs", 3}, {"max-steps", limit}});
    train::pretrain(run);
  }
  std::vector<double> losses, epochs;
  double second = 0;
  std::istringstream record(test::text_of(folder / "metrics.jsonl"));
  for (std::string line; std::getline(record, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("type") == "step") losses.push_back(row.at("loss"));
    if (row.at("type") == "epoch") epochs.push_back(row.at("epoch"));
    if (row.at("type") == "epoch" && row.at("epoch") == 2) second = row.at("loss");
  }
  CHECK(losses.size() == 24);
  CHECK(epochs == std::vector<double>{1, 1.5, 2, 3});
  CHECK(second == doctest::Approx(std::accumulate(losses.begin() + 8, losses.begin() + 16, 0.0) / 8));
}

TEST_CASE("a finished run goes on when it is given more epochs, also after a stop, and says so") {
  const Folder folder;
  const auto go = [&](std::int64_t epochs, std::int64_t stop = 0) {
    auto run = test::make_run("simclr", folder.path(), {{"epochs", epochs}});
    run.stop_after_step = stop;
    auto model = train::pretrain(run);
    core::write_atomically(folder.path() / "model.json", manifest::to_json(model, folder.path()).dump());
    return model;
  };
  CHECK_FALSE(go(1).training.contains("lengths"));
  CHECK_THROWS_AS(go(3, 12), core::Error);
  core::request_stop(0);
  const auto model = go(3);
  CHECK(model.training.at("steps") == 24);
  CHECK(model.training.at("lengths") == nlohmann::json::parse(R"([{"step":0,"total":8},{"step":8,"total":24}])"));
  CHECK(go(3).training == model.training);
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { go(2); }), "epochs: 3 there, 2 here"));
}
