// The interface carries awkward demands in one file: a mates table refreshed every epoch, view geometry, a frozen teacher from a model
// manifest, two parameter groups, and a modifier around another method. Nothing outside this file knows of them.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "nn/losses.h"
#include "nn/neighbours.h"

using namespace selfsight;
using test::Folder;

namespace {

std::map<std::string, std::int64_t>& seen() {
  static std::map<std::string, std::int64_t> counts;
  return counts;
}

/// Distils a frozen teacher's features of the mate into the student, weighted by how much the two crops overlap.
class Awkward : public train::Method {
 public:
  void describe(core::Options& o) override {
    o.add("teacher", &teacher_file_, "model manifest of the teacher").metavar("MODEL.json");
    view_.describe(o, "view-");
  }
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override {
    auto specs = train::view_specs({view_, view_}, image);
    specs[1].of_mate = true;
    return specs;
  }
  void build(const train::Setup& setup) override {
    const auto teacher = train::load_pretrained(manifest::read<manifest::Model>(teacher_file_));
    teacher_ = register_module("teacher", teacher.backbone);
    for (auto& parameter : teacher_->parameters()) parameter.requires_grad_(false);
    student_ = register_module("student", nn::make_backbone(setup.backbone));
    head_ = register_module("head", torch::nn::Linear(student_->feature_dim(), teacher_->feature_dim()));
    mates_ = register_buffer("mates", torch::zeros({setup.samples, 2}, torch::kInt64));
  }
  void before_epoch(const train::EpochContext& context) override {
    ++seen()["refresh"];
    const auto all = context.embed_all(*teacher_, "pooled", "finding mates");
    mates_.copy_(nn::nearest(all.features, all.features, 3).indices.narrow(1, 1, 2));
  }
  [[nodiscard]] data::EpochPlan plan(data::EpochPlan plan, std::uint64_t seed, std::int64_t epoch) const override {
    const auto* begin = mates_.data_ptr<std::int64_t>();
    data::draw_mates(plan, {mates_.size(1), std::vector(begin, begin + mates_.numel())}, seed, epoch);
    return plan;
  }
  train::Outcome step(const train::Views& views, const train::Progress&) override {
    for (std::size_t i = 0; i < views.batch->mates.size(); ++i) {
      const auto row = mates_[views.batch->samples[i]];
      const auto mate = views.batch->mates[i];
      seen()["wrong mate"] += (row[0].item<std::int64_t>() != mate && row[1].item<std::int64_t>() != mate) ? 1 : 0;
      seen()["geometry"] += views.batch->views[1].geometry[i].box.width > 0 && views.batch->views[1].geometry[i].source_width == 28 ? 1 : 0;
    }
    torch::Tensor target;
    {
      const torch::NoGradGuard no_grad;
      teacher_->eval();
      target = teacher_->forward(views.x[1]).pooled;
    }
    train::Outcome out;
    out.embedding = head_->forward(student_->forward(views.x[0]).pooled);
    out.loss = nn::cosine_loss(out.embedding, target);
    return out;
  }
  [[nodiscard]] std::vector<train::ParameterGroup> parameter_groups(const train::OptimizerOptions& options) override {
    auto groups = train::default_groups(*student_, options.exclude_1d);
    for (auto& group : groups)
      for (auto& [name, parameter] : group.parameters) name = "student." + name;
    groups.push_back({.parameters = {{"head.weight", head_->weight}, {"head.bias", head_->bias}}, .lr_scale = 10, .decay_scale = 0});
    return groups;
  }
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return student_; }

 private:
  std::string teacher_file_;
  data::Recipe view_ = data::moco_v2_recipe(0);
  std::shared_ptr<nn::Backbone> teacher_, student_;
  torch::nn::Linear head_{nullptr};
  torch::Tensor mates_;
};

/// Doubles the queries of any pair method with a trained transformation of them, as feature-space modifiers do.
class Doubling : public train::Modifier {
 public:
  using Modifier::Modifier;
  void describe(core::Options& o) override {
    Modifier::describe(o);
    o.add("doubling-strength", &strength_, "weight of the transformation").range(0, 1);
  }
  void build(const train::Setup& setup) override {
    Modifier::build(setup);
    mix_ = register_module("mix", torch::nn::Linear(torch::nn::LinearOptions(16, 16).bias(false)));
  }
  train::Outcome step(const train::Views& views, const train::Progress& progress) override {
    auto& host = dynamic_cast<train::PairMethod&>(*host_);
    auto pair = host.encode(views.x.at(0), views.x.at(1), progress);
    ++seen()["modified"];
    const torch::Tensor made = pair.query + strength_ * mix_->forward(pair.query);
    return host.compare(pair.with_queries(made), progress);
  }

 private:
  double strength_ = 0.5;
  torch::nn::Linear mix_{nullptr};
};

void register_awkward() {
  static const bool done = [] {
    train::MethodRegistry::instance().add(
        "awkward", {.title = "Awkward",
                    .paper = "none",
                    .summary = "test",
                    .needs = "a teacher",
                    .profiles = {{"published", {{"lr", 0.01}}}, {"small", {{"arch", "resnet10"}, {"view-blur", 0.0}}}},
                    .make = [] { return std::make_shared<Awkward>(); }});
    train::ModifierRegistry::instance().add(
        "doubling", {.title = "Doubling", .paper = "none", .summary = "test", .make = [](std::shared_ptr<train::Method> host) {
                       return std::make_shared<Doubling>(std::move(host));
                     }});
    return true;
  }();
  REQUIRE(done);
}

}  // namespace

TEST_SUITE("awkward") {
  TEST_CASE("a teacher from a manifest, mates refreshed every epoch, geometry and own parameter groups work and resume exactly") {
    register_awkward();
    Folder teacher_folder, whole, stopped;
    auto teacher = test::make_run("simclr", teacher_folder.path());
    const auto model = train::pretrain(teacher);
    const auto manifest_file = teacher_folder.path() / "model.json";
    core::write_atomically(manifest_file, manifest::to_json(model, teacher_folder.path()).dump());
    const nlohmann::json values = {{"teacher", manifest_file.string()}};

    seen().clear();
    auto run = test::make_run("awkward", whole.path(), values);
    train::pretrain(run);
    CHECK(seen()["refresh"] == 2);  // one an epoch
    CHECK(seen()["wrong mate"] == 0);
    CHECK(seen()["geometry"] == 2 * 512);

    auto part = test::make_run("awkward", stopped.path(), values);
    part.stop_after_step = 11;
    CHECK_THROWS_AS(train::pretrain(part), core::Error);
    core::request_stop(0);
    auto rest = test::make_run("awkward", stopped.path(), values);
    train::pretrain(rest);
    CHECK(test::text_of(whole.path() / "weights.safetensors") == test::text_of(stopped.path() / "weights.safetensors"));
  }

  TEST_CASE("a modifier wraps any pair method, with options, networks and checkpoints of its own") {
    register_awkward();
    for (const std::string host : {"simclr", "moco", "simsiam"}) {
      CAPTURE(host);
      Folder folder;
      seen().clear();
      auto run = test::make_run(host, folder.path(), {{"dim", 16}, {"doubling-strength", 0.25}}, {"doubling"});
      const auto model = train::pretrain(run);
      // SimSiam's predictor keeps its own rate inside a modifier, which adds its own parameters.
      bool fixed = false, own = false;
      for (const auto& group : run.network->parameter_groups(run.optimizer))
        for (const auto& [name, parameter] : group.parameters) {
          CHECK(group.fixed_lr == name.starts_with("host.predictor."));
          fixed = fixed || group.fixed_lr;
          own = own || name == "mix.weight";
        }
      CHECK(fixed == (host == "simsiam"));
      CHECK(own);
      CHECK(model.method == "doubling(" + host + ")");
      CHECK(seen()["modified"] == 16);
    }
  }
}
