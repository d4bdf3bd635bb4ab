// Larger classifiers on frozen maps (RotNet's evaluations), and a model's own head as features.
#include "core/files.h"
#include "core/rng.h"
#include "nn/state.h"
#include "tasks/headed.h"
#include "tasks/probe.h"
#include "unit/methods/runs.h"

#include <doctest/doctest.h>

using namespace selfsight;
using test::contains;
using test::error_of;
using test::Folder;

namespace {

std::int64_t parameters_of(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

/// Stripes along one axis or the other, of random period, phase and grey: the mean of all pixels says nothing of the class.
void write_stripes(const std::filesystem::path& folder, int each) {
  core::Rng rng(5, core::Stream::split);
  for (const std::string split : {"train", "test"})
    for (const bool across : {false, true})
      for (int i = 0; i < each; ++i) {
        data::Image image(12, 12, 1);
        const auto phase = rng.below(4), dark = rng.below(60), light = 120 + rng.below(130);
        for (std::uint64_t y = 0; y < 12; ++y)
          for (std::uint64_t x = 0; x < 12; ++x)
            image.pixels[y * 12 + x] = static_cast<std::uint8_t>(((across ? x : y) + phase) / 2 % 2 == 0 ? dark : light);
        core::write_atomically(folder / split / (across ? "across" : "along") / fmt::format("{:03}.png", i), data::encode_png(image));
      }
}

manifest::Model tiny_model(const std::filesystem::path& folder, const manifest::Dataset& dataset) {
  auto run = test::make_run("simclr", folder, {{"images", 0}, {"batch", 8}, {"view-size", 12}});
  run.dataset = dataset;
  return train::pretrain(run);
}

}  // namespace

TEST_CASE("heads of a frozen map have as many parameters as RotNet's") {
  CHECK(parameters_of(*tasks::make_head("non-linear", {192, 8, 8}, 10)) == 2500410);
  CHECK(parameters_of(*tasks::make_head("conv", {192, 8, 8}, 10)) == 408586);
  CHECK(tasks::make_head("conv", {6, 5, 5}, 3)->forward(torch::randn({2, 6, 5, 5})).sizes() == torch::IntArrayRef({2, 3}));
  CHECK(tasks::make_head("non-linear", {7}, 3)->forward(torch::randn({2, 7})).sizes() == torch::IntArrayRef({2, 3}));
}

TEST_CASE("a head on a frozen map learns what its average cannot tell, and the network stays as it is") {
  Folder images, folder;
  write_stripes(images.path(), 60);
  const auto dataset = data::describe("folder", images.path());
  const auto model = tiny_model(folder.path() / "run", dataset);
  tasks::Subject pixels = tasks::pixel_subject(model), network = tasks::model_subject(model, "layer1");
  const auto train = tasks::open_split(dataset, "train", network), test = tasks::open_split(dataset, "test", network);
  std::vector<std::int64_t> samples(static_cast<std::size_t>(train.source->size()));
  std::iota(samples.begin(), samples.end(), 0);
  const torch::Tensor truth = torch::tensor(data::labels_of(*test.source));
  tasks::HeadOptions options;
  options.epochs = 12;
  options.batch = 24;
  tasks::CropOptions crop;
  crop.padding = 1;
  crop.flip = 0;
  const auto accuracy = [&](const std::string& kind, const tasks::Subject& subject) {
    const auto judged = tasks::judge_by_head(kind, subject, train, samples, test, 2, options, crop, {});
    CHECK(judged.loss < 0.5);
    return judged.predictions.eq(truth).to(torch::kFloat64).mean().item<double>();
  };
  CHECK(accuracy("conv", pixels) > 0.95);
  CHECK(accuracy("non-linear", pixels) > 0.8);  // phases are many, images few
  nn::State before;
  for (const auto& [name, tensor] : nn::named_state(*network.network.backbone)) before[name] = tensor.clone();
  CHECK(accuracy("conv", network) > 0.9);
  for (const auto& [name, tensor] : nn::named_state(*network.network.backbone)) CHECK(torch::equal(tensor, before.at(name)));
  const auto one = tasks::judge_by_head("conv", network, train, samples, test, 2, options, crop, {});
  CHECK(one.drops == std::vector{0.35, 0.7, 0.85});
  CHECK(one.loss == tasks::judge_by_head("conv", network, train, samples, test, 2, options, crop, {}).loss);
}

TEST_CASE("layers of a model's head are features: the last is the embedding, those before it have their activation behind them") {
  Folder images, folder;
  write_stripes(images.path(), 8);
  const auto dataset = data::describe("folder", images.path());
  const auto model = tiny_model(folder.path() / "run", dataset);
  const auto encoder = train::load_encoder(model, "projector");
  const torch::Tensor x = torch::randn({5, 3, 12, 12});
  const auto layer = [&](const tasks::Subject& subject) {
    return train::forward_layer(*subject.network.backbone, x, subject.layer).detach();
  };
  const auto last = fmt::format("projector-{}", encoder->head->options().dims.size() - 1);
  const auto first = tasks::model_subject(model, "projector-1"), embedding = tasks::model_subject(model, last);
  CHECK(torch::equal(layer(embedding), encoder->forward(x)));
  CHECK((layer(embedding) < 0).any().item<bool>());
  torch::Tensor by_hand = encoder->backbone->forward(x).pooled;
  for (const auto& child : encoder->head->named_children()) {
    if (child.key() != "0" && !(child.key() == "1" && encoder->head->options().batch_norm)) break;
    if (auto* linear = child.value()->as<torch::nn::Linear>()) by_hand = linear->forward(by_hand);
    if (auto* norm = child.value()->as<nn::BatchNorm>()) by_hand = norm->forward(by_hand);
  }
  CHECK(torch::allclose(layer(first), torch::relu(by_hand)));
  CHECK(first.identity != embedding.identity);
  CHECK(first.identity != tasks::model_subject(model, "pooled").identity);
  CHECK(first.of_head);
  // The untrained network's head is drawn by the seed, and is another than the model's.
  const auto untrained = tasks::untrained_subject(model, "projector-1", 3);
  CHECK(torch::equal(layer(untrained), layer(tasks::untrained_subject(model, "projector-1", 3))));
  CHECK_FALSE(torch::allclose(layer(untrained), layer(first)));

  tasks::ProbeOptions options;
  options.protocols = {"knn", "non-linear"};
  options.baselines = {"untrained"};
  options.layers = {"pooled", "projector-1", last};
  options.knn_k = {3};
  options.head.epochs = 1;
  options.head.batch = 8;
  const auto metrics = tasks::probe(model, dataset, options, {folder.path() / "judged", "ssl-linear"});
  std::vector<std::string> seen;
  for (const auto& row : metrics.rows)
    if (row.name == "kNN top-1") seen.push_back(row.subject + " " + row.protocol.at("features").get<std::string>());
  CHECK(seen == std::vector<std::string>{"simclr pooled", "simclr projector-1", "simclr " + last, "untrained pooled",
                                         "untrained projector-1", "untrained " + last});

  const auto refused = [&](const std::string& wrong, const std::string& words) {
    CAPTURE(wrong);
    CHECK(contains(error_of(core::Exit::usage, [&] { tasks::check_layer(tasks::model_subject(model, wrong)); }), words));
  };
  refused("projector-0", "projector-1 to " + last);
  refused("projector-9", "projector-1 to " + last);
  refused("predictor-1", last);
  const auto refused_probe = [&](const std::vector<std::string>& protocols, const std::vector<std::string>& layers,
                                 const std::string& words) {
    options.protocols = protocols;
    options.layers = layers;
    const auto judge = [&] { tasks::probe(model, dataset, options, {folder.path() / "none", "ssl-linear"}); };
    CHECK(contains(error_of(core::Exit::usage, judge), words));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));  // before anything is computed
  };
  refused_probe({"fine-tune"}, {"projector-1"}, "--protocol fine-tune");
  refused_probe({"knn", "conv"}, {"layer1", "projector-1"}, "--layer projector-1 of simclr is none");
  refused_probe({"knn", "conv"}, {"pooled"}, "--layer pooled of simclr is none");
}
