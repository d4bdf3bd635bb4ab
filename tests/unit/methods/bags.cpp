// Oracles of BINGO (arXiv 2107.01691) and HSA (arXiv 2012.02733) that concern the methods as a whole; loss, CutMix and tables of mates are
// tested in nn and train.
#include "methods/hsa.h"
#include "unit/methods/runs.h"

#include "nn/losses.h"

using namespace selfsight;
using test::Built;
using test::Folder;
namespace fs = std::filesystem;

namespace {

const nlohmann::json tiny = {{"queue", 24}, {"shuffle-groups", 1}, {"mates-per-sample", 3}};

nlohmann::json with(nlohmann::json values, const nlohmann::json& more) {
  values.update(more);
  return values;
}

std::vector<torch::Tensor> four_views(std::int64_t seed = 0) {
  return {Built::images(seed + 1), Built::images(seed + 2), Built::images(seed + 3), Built::images(seed + 4)};
}

double loss_of(Built& built, const std::vector<torch::Tensor>& views) {
  torch::manual_seed(5);  // the same CutMix
  return built.step(views).loss.item<double>();
}

}  // namespace

TEST_CASE("bingo: the teacher never changes; gradients reach the student alone; the queue takes the anchors' keys") {
  const Folder folder;
  Built built("bingo", with(tiny, {{"teacher", test::write_teacher(folder.path())}}));
  std::map<std::string, torch::Tensor> before;
  for (const auto& [name, tensor] : nn::named_state(*built.method)) before[name] = tensor.clone();
  const auto views = four_views();
  built.step(views).loss.backward();
  for (const auto& item : built.method->named_parameters()) {
    CAPTURE(item.key());
    CHECK(item.value().grad().defined() == item.key().starts_with("student."));
  }
  built.method->after_update(built.progress);
  for (const auto& [name, tensor] : nn::named_state(*built.method))
    if (name.starts_with("teacher.")) CHECK(torch::equal(tensor, before.at(name)));
  const torch::Tensor rows = built.state("queue-0.rows"), changed = rows.ne(before.at("queue-0.rows")).any(1);
  CHECK(changed.sum().item<std::int64_t>() == 8);  // k_b is not enqueued
  const auto teacher = train::load_encoder(manifest::read<manifest::Model>((folder / "model.json").string()), "projector");
  const torch::NoGradGuard no_grad;
  CHECK(torch::allclose(rows.index_select(0, changed.nonzero().flatten()), nn::unit_rows(teacher->forward(views[1])), 1e-5, 1e-6));
}

TEST_CASE("bingo and hsa: the mate's key counts for the anchor from epoch 11 on, for the mixture always") {
  const Folder folder;
  const auto teacher = test::write_teacher(folder.path());
  for (const std::string name : {"bingo", "hsa"})
    for (const double alpha : {0.0, 2.0})
      for (const std::int64_t epoch : {10, 11}) {
        CAPTURE(name);
        CAPTURE(alpha);
        CAPTURE(epoch);
        auto values = with(tiny, {{"mix-alpha", alpha}});
        if (name == "bingo") values["teacher"] = teacher;
        Built built(name, values);
        built.method->eval();
        built.progress.step = epoch * built.progress.steps_per_epoch;
        // What another k_b changes is the same for every anchor query as long as the anchor does not meet k_b.
        const auto change = [&](std::int64_t anchor) {
          auto views = four_views();
          views[0] = Built::images(anchor);
          const double one = loss_of(built, views);
          views[3] = Built::images(77);
          return loss_of(built, views) - one;
        };
        const double difference = std::abs(change(1) - change(88));
        CHECK((difference < 1e-6) == (epoch < 11 && alpha == 0));
      }
}

TEST_CASE("hsa: the loss at a stage leaves later stages and the last head alone; that of the last layer reaches all") {
  std::map<std::string, torch::Tensor> without, together;
  for (auto* gradients : {&without, &together}) {
    Built built("hsa", with(tiny, {{"dim", 16}, {"stage-weight", gradients == &without ? 0.0 : 1.0}, {"stages", {"layer2"}}}));
    torch::manual_seed(5);
    built.step(four_views()).loss.backward();
    for (const auto& item : built.method->named_parameters())
      if (item.key().starts_with("query.")) (*gradients)[item.key()] = item.value().grad().clone();
  }
  for (const auto& [name, gradient] : together) {
    CAPTURE(name);
    const bool later =
        name.starts_with("query.backbone.layer3") || name.starts_with("query.backbone.layer4") || name.starts_with("query.head.");
    const bool early = name.starts_with("query.backbone.layer1") || name.starts_with("query.backbone.layer2");
    if (later) CHECK(torch::equal(gradient, without.at(name)));
    if (early) CHECK_FALSE(torch::equal(gradient, without.at(name)));
    if (early || later) CHECK(without.at(name).abs().sum().item<double>() > 0);
  }
}

TEST_CASE("hsa: keys and queues of every level get no gradient") {
  Built built("hsa", with(tiny, {{"dim", 16}, {"stages", {"layer2", "layer3"}}}));
  built.step(four_views()).loss.backward();
  std::int64_t trained = 0;
  for (const auto& item : built.method->named_parameters()) {
    CAPTURE(item.key());
    CHECK(item.value().grad().defined() == item.key().starts_with("query."));
    trained += item.key().starts_with("query.");
  }
  CHECK(trained > 0);
  for (const auto& item : built.method->named_buffers())
    if (item.key().ends_with(".rows")) CHECK_FALSE(item.value().requires_grad());
}

TEST_CASE("hsa: with equal embeddings and queues the whole loss is (1 + sum of w_s) ln(1 + |Q|)") {
  Built built("hsa", with(tiny, {{"dim", 16}, {"stages", {"layer2", "layer3"}}, {"stage-weight", 0.5}}));
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : nn::named_state(*built.method)) {
    // Every head says the same of everything: no weights in its last layer, ones for its bias; and so do the queues.
    if (name.find("head") != std::string::npos && name.ends_with("2.weight")) tensor.zero_();
    if (name.find("head") != std::string::npos && name.ends_with("2.bias")) tensor.fill_(1.0);
    if (name.ends_with(".rows")) tensor.fill_(0.25);
  }
  for (const std::int64_t epoch : {0, 20}) {
    built.progress.step = epoch * built.progress.steps_per_epoch;
    CHECK(built.step(four_views()).loss.item<double>() == doctest::Approx(2 * std::log(25.0)).epsilon(1e-5));
  }
}

TEST_CASE("bingo: another teacher under the same name is another run; the same one elsewhere is not") {
  const Folder folder, elsewhere;
  const auto run_with = [](const fs::path& teacher) {
    return test::make_run("bingo", test::scratch() / "unused", {{"teacher", teacher.string()}});
  };
  const auto first = run_with(test::write_teacher(folder.path()));
  CHECK(first.inputs.at(0).at("kind") == "teacher");
  CHECK(run_with(test::write_teacher(elsewhere.path())).identity.at("teacher").at("digest") == first.identity.at("teacher").at("digest"));
  torch::manual_seed(12);
  const auto backbone = nn::make_backbone({.name = "resnet10", .stem = "stride2", .width = 0.125});
  const auto other = run_with(test::write_teacher(folder.path(), *backbone, nn::Mlp({.dims = {backbone->feature_dim(), 32, 16}})));
  CHECK(other.identity.at("teacher").at("digest") != first.identity.at("teacher").at("digest"));
}

TEST_CASE("hsa with a frozen teacher in the key encoder's place and no stages is bingo") {
  const Folder folder;
  Built hsa("hsa", with(tiny, {{"dim", 16}, {"stages", {"none"}}}));
  torch::manual_seed(4);
  for (auto& [name, tensor] : nn::named_state(*hsa.method)) {
    const torch::NoGradGuard no_grad;  // a key encoder that is not the query encoder
    if (name.starts_with("key.") && tensor.is_floating_point() && !name.ends_with("running_var"))
      tensor.add_(0.02 * torch::randn_like(tensor));
  }
  // The teacher's manifest is written from HSA's key encoder, and the student's weights are its query encoder's.
  const auto key = std::dynamic_pointer_cast<methods::StagedEncoder>(hsa.method->named_modules()["key"]);
  const auto teacher = test::write_teacher(folder.path(), *key->backbone, *key->head);
  const std::int64_t features = key->backbone->feature_dim();
  Built bingo("bingo", with(tiny, {{"teacher", teacher}, {"hidden", features}}));
  auto target = nn::named_state(*bingo.method);
  for (auto& [name, tensor] : nn::named_state(*hsa.method)) {
    const torch::NoGradGuard no_grad;
    if (name.starts_with("query.")) target.at("student." + name.substr(6)).copy_(tensor);
    if (name == "queue-0.rows") target.at(name).copy_(tensor);
  }
  hsa.method->eval();
  bingo.method->eval();
  for (const std::int64_t epoch : {0, 11}) {
    hsa.progress.step = bingo.progress.step = epoch * hsa.progress.steps_per_epoch;
    CHECK(loss_of(hsa, four_views()) == doctest::Approx(loss_of(bingo, four_views())).epsilon(1e-6));
  }
}

TEST_CASE("hsa: the key encoder moves once a step, and mates are found at epochs 0, 5, 10") {
  Built built("hsa", with(tiny, {{"ema", 0.9}, {"dim", 16}}));
  const std::string name = "backbone.conv1.weight";
  const torch::Tensor start = built.state("key." + name).clone();
  {
    const torch::NoGradGuard no_grad;
    built.state("query." + name).add_(1.0);
  }
  built.step(four_views());
  built.method->after_update(built.progress);
  CHECK(torch::allclose(built.state("key." + name), start + 0.1, 1e-5, 1e-6));

  std::vector<std::int64_t> refreshed;
  train::EpochContext context;
  context.progress = built.progress;
  context.embed_all = [&](nn::Backbone&, const std::string& layer, const std::string&) {
    CHECK(layer == "pooled");  // the backbone's features, not the embedding
    refreshed.push_back(context.progress.epoch());
    return train::Embedded{torch::randn({80, 6}), torch::zeros({80}, torch::kInt64), torch::arange(80)};
  };
  context.timed = [](const std::string&, const std::function<void()>& work) { work(); };
  for (std::int64_t epoch = 0; epoch < 12; ++epoch) {
    context.progress.step = epoch * context.progress.steps_per_epoch;
    built.method->before_epoch(context);
  }
  CHECK(refreshed == std::vector<std::int64_t>{0, 5, 10});
}

TEST_CASE("bags: what does not fit is said before the first step") {
  const Folder folder;
  const auto teacher = test::write_teacher(folder.path());
  const auto message = [](const std::string& name, const nlohmann::json& values) -> std::string {
    try {
      Built(name, values);
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message("bingo", tiny).find("--teacher") != std::string::npos);
  CHECK(message("hsa", with(tiny, {{"queue", 80}})).find("--queue 80: the split has 80 images") != std::string::npos);
  CHECK(message("hsa", with(tiny, {{"mates-per-sample", 80}})).find("80 mates for each image") != std::string::npos);
  CHECK(message("hsa", with(tiny, {{"stages", {"layer9"}}})).find("no stage 'layer9'") != std::string::npos);
  CHECK(message("hsa", with(tiny, {{"stages", {"layer3", "layer3"}}})).find("layer3,layer3: one of them is named twice") !=
        std::string::npos);
  CHECK(message("hsa", with(tiny, {{"shuffle-groups", 3}})).find("--shuffle-groups 3") != std::string::npos);

  auto manifest = nlohmann::json::parse(core::read_text(folder / "model.json"));
  manifest["heads"] = nlohmann::json::object();
  core::write_atomically(folder / "headless.json", manifest.dump());
  CHECK(message("bingo", with(tiny, {{"teacher", (folder / "headless.json").string()}})).find("without the head 'projector'") !=
        std::string::npos);
  manifest = nlohmann::json::parse(core::read_text(folder / "model.json"));
  manifest["mean"] = {0.5, 0.5, 0.5};
  core::write_atomically(folder / "other.json", manifest.dump());
  CHECK(message("bingo", with(tiny, {{"teacher", (folder / "other.json").string()}})).find("normalised in another way") !=
        std::string::npos);
  manifest = nlohmann::json::parse(core::read_text(folder / "model.json"));
  auto& dims = manifest["heads"]["projector"]["architecture"]["dims"];
  const auto own = dims;
  dims = {own[0], 32, 8};
  core::write_atomically(folder / "narrow.json", manifest.dump());
  CHECK(message("bingo", with(tiny, {{"teacher", (folder / "narrow.json").string()}})).find("head.safetensors") != std::string::npos);
  dims[0] = 7;
  core::write_atomically(folder / "foreign.json", manifest.dump());
  CHECK(message("bingo", with(tiny, {{"teacher", (folder / "foreign.json").string()}})).find("takes 7 features, and its backbone gives") !=
        std::string::npos);
}
