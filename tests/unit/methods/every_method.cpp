// What holds for every registered method. A new method is covered by being registered: there is no list here.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "manifest/safetensors.h"

using namespace selfsight;
using test::Folder;

namespace {

bool same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) { return test::text_of(a) == test::text_of(b); }

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

TEST_CASE("every method's checkpoint matters: without the optimizer's state the end is another") {
  for (const auto& subject : test::subjects()) {
    CAPTURE(subject.name());
    const auto make_run = [&](const Folder& folder, const nlohmann::json& values = nlohmann::json::object()) {
      return test::make_run(subject.method, folder.path(), values, subject.modifiers);
    };
    Folder whole, robbed;
    auto run = make_run(whole);
    train::pretrain(run);
    auto part = make_run(robbed);
    part.stop_after_step = 5;
    CHECK_THROWS_AS(train::pretrain(part), core::Error);
    core::request_stop(0);

    const auto checkpoint = robbed.path() / "checkpoints" / "step-0000000005";
    auto tensors = nn::load_tensors(checkpoint / "state.safetensors");
    CHECK(std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("optimizer/"); }) > 0);
    auto facts = nlohmann::json::parse(test::text_of(checkpoint / "checkpoint.json"));
    facts["state"] = nn::save_tensors(checkpoint / "state.safetensors", tensors);
    core::write_atomically(checkpoint / "checkpoint.json", facts.dump());
    auto rest = make_run(robbed);
    train::pretrain(rest);
    CHECK_FALSE(same_bytes(whole.path() / "weights.safetensors", robbed.path() / "weights.safetensors"));
  }
}
