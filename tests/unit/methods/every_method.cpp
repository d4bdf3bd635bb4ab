// What holds for every registered method. A new method is covered by being registered: there is no list here.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "data/loader.h"
#include "nn/neighbours.h"

using namespace selfsight;
using test::Folder;

namespace {

/// kNN accuracy of a backbone: 4,000 training images as the bank, 4,000 of the test split as queries.
double knn(nn::Backbone& backbone) {
  const auto dataset = test::fashion_mnist();
  const auto train = data::open_split(dataset.split("train")), test = data::open_split(dataset.split("test"));
  const auto first = [](std::int64_t n) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(n));
    std::iota(out.begin(), out.end(), 0);
    return out;
  };
  const auto normalisation = train::usual_normalisation(1);
  const auto bank = train::embed(backbone, normalisation, 28, train, first(4000), torch::kCPU, {});
  const auto queries = train::embed(backbone, normalisation, 28, test, first(4000), torch::kCPU, {});
  return nn::knn_accuracy(bank.features, bank.labels, queries.features, queries.labels, 20, 0.07, 10);
}

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
  for (const auto& name : test::methods()) {
    CAPTURE(name);
    Folder whole, workers, stopped;
    auto run = test::make_run(name, whole.path());
    train::pretrain(run);

    auto other = test::make_run(name, workers.path(), {{"workers", 1}});
    train::pretrain(other);
    CHECK(same_bytes(whole.path() / "weights.safetensors", workers.path() / "weights.safetensors"));
    CHECK(same_bytes(whole.path() / "metrics.jsonl", workers.path() / "metrics.jsonl"));

    // Stops at step 5 of 16 (8 an epoch), in the middle of the first epoch, and at 11, in the middle of the second.
    for (const std::int64_t limit : {5, 11}) {
      auto part = test::make_run(name, stopped.path(), {{"workers", 3}});
      part.stop_after_step = limit;
      CHECK_THROWS_AS(train::pretrain(part), core::Error);
      core::request_stop(0);
    }
    auto rest = test::make_run(name, stopped.path());
    train::pretrain(rest);
    CHECK(same_bytes(whole.path() / "weights.safetensors", stopped.path() / "weights.safetensors"));
    CHECK(same_bytes(whole.path() / "metrics.jsonl", stopped.path() / "metrics.jsonl"));
  }
}

TEST_CASE("every method's checkpoint matters: without the optimizer's state the end is another") {
  for (const auto& name : test::methods()) {
    CAPTURE(name);
    Folder whole, robbed;
    auto run = test::make_run(name, whole.path());
    train::pretrain(run);
    auto part = test::make_run(name, robbed.path());
    part.stop_after_step = 5;
    CHECK_THROWS_AS(train::pretrain(part), core::Error);
    core::request_stop(0);

    const auto checkpoint = robbed.path() / "checkpoints" / "step-0000000005";
    auto tensors = nn::load_tensors(checkpoint / "state.safetensors");
    CHECK(std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("optimizer/"); }) > 0);
    auto facts = nlohmann::json::parse(test::text_of(checkpoint / "checkpoint.json"));
    facts["state"] = nn::save_tensors(checkpoint / "state.safetensors", tensors);
    core::write_atomically(checkpoint / "checkpoint.json", facts.dump());
    auto rest = test::make_run(name, robbed.path());
    train::pretrain(rest);
    CHECK_FALSE(same_bytes(whole.path() / "weights.safetensors", robbed.path() / "weights.safetensors"));
  }
}

TEST_CASE("every method learns: kNN above the same network untrained, and no collapse") {
  for (const auto& name : test::methods()) {
    CAPTURE(name);
    Folder folder;
    // Many small steps at a high rate, with quick averages: a thousand updates are all that there is.
    nlohmann::json budget = {{"images", 8192}, {"epochs", 4},   {"batch", 32}, {"lr-batch", 64},   {"ema", 0.97},        {"queue", 1024},
                             {"outputs", 256}, {"hidden", 128}, {"dim", 128},  {"bottleneck", 64}, {"shuffle-groups", 2}};
    // Slow to leave the uniform assignment; a last layer frozen for one epoch of four would take a quarter of the time away.
    if (name == "dino") budget.update({{"batch", 64}, {"ema", 0.95}, {"freeze-last-layer", 0.0}});
    if (name == "moco") budget["ema"] = 0.99;  // a steady key encoder
    auto run = test::make_run(name, folder.path(), budget);
    torch::manual_seed(0);
    const auto model = train::pretrain(run);
    const auto trained = train::load_pretrained(model);
    torch::manual_seed(0);
    const auto untrained = nn::make_backbone(nn::backbone_options(model.architecture));
    const double before = knn(*untrained), after = knn(*trained.backbone);
    MESSAGE(name, ": untrained ", before, ", trained ", after);
    CHECK(after > before + 0.005);

    std::ifstream record(folder.path() / "metrics.jsonl");
    std::string line, last;
    while (std::getline(record, line))
      if (line.find("\"step\"") != std::string::npos && line.find("feature_std") != std::string::npos) last = line;
    CHECK(nlohmann::json::parse(last).at("feature_std").get<double>() > 0.05);
  }
}
