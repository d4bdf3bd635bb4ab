// The learning gate of every registered method, found by its name like the rest.
#include "unit/methods/runs.h"

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

}  // namespace

TEST_CASE("every method learns: kNN above the same network untrained, and no collapse") {
  for (const auto& subject : test::subjects()) {
    const std::string name = subject.name();
    CAPTURE(name);
    Folder folder;
    // Many small steps at a high rate, with quick averages: a thousand updates are all that there is.
    nlohmann::json budget = {{"images", 8192}, {"epochs", 4},   {"batch", 32}, {"lr-batch", 64},   {"ema", 0.97},        {"queue", 1024},
                             {"outputs", 256}, {"hidden", 128}, {"dim", 128},  {"bottleneck", 64}, {"shuffle-groups", 2}};
    // Slow to leave the uniform assignment; a last layer frozen for one epoch of four would take a quarter of the time away.
    if (name == "dino") budget.update({{"batch", 64}, {"ema", 0.95}, {"freeze-last-layer", 0.0}});
    if (name == "moco" || name == "interclr" || name == "hsa") budget["ema"] = 0.99;  // a steady key encoder
    // Networks this small gain little by a second thread, and beside other tests threads that wait for each other take three times as long.
    budget["threads"] = 1;
    auto run = test::make_run(subject.method, folder.path(), budget, subject.modifiers);
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
