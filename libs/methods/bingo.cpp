#include "methods/bingo.h"

#include "data/plan_file.h"
#include "methods/moco.h"

namespace selfsight::methods {

void Bingo::describe(core::Options& o) {
  o.group("BINGO");
  o.add("teacher", &teacher_file_, "T: model manifest of the teacher, with its projector").metavar("MODEL.json").reads_manifest();
  o.add("mates", &mates_file_,
        "plan manifest with the bags (ssl-plan mates, also of k-means); without it they are the nearest by the teacher's features")
      .metavar("PLAN.json")
      .reads_manifest();
  o.add("hidden", &hidden_, "hidden width of the student's projector; its output is as wide as the teacher's").range(1, 1 << 16);
  BagMethod::describe(o);
  o.find("mates-per-sample")->only_without("mates");
}

void Bingo::build(const train::Setup& setup) {
  if (teacher_file_.empty()) core::fail(core::Exit::usage, "say which model is the teacher: --teacher MODEL.json");
  const auto model = manifest::read<manifest::Model>(teacher_file_);
  const auto teacher = train::load_encoder(model, "projector");
  if (teacher->backbone->options().channels != setup.backbone.channels)
    core::fail(core::Exit::usage, "--teacher {}: takes images of {} channels, the data set has {}", teacher_file_,
               teacher->backbone->options().channels, setup.backbone.channels);
  if (model.mean != setup.normalisation.mean || model.stddev != setup.normalisation.stddev)
    core::fail(core::Exit::usage, "--teacher {}: its input is normalised in another way than this data set's images", teacher_file_);
  const std::int64_t dim = teacher->head->options().dims.back();

  auto backbone = nn::make_backbone(setup.backbone);
  const nn::MlpOptions head{.dims = {backbone->feature_dim(), hidden_, dim}};
  student_ = register_module("student", nn::make_encoder(std::move(backbone), head));
  teacher_ = register_module("teacher", teacher);
  build_bags(setup, *student_, dim, {1.0});
  if (!mates_file_.empty()) mates_->set(data::read_mates(mates_file_, setup.split, setup.samples));
}

void Bingo::before_epoch(const train::EpochContext& context) {
  if (context.progress.step == 0 && mates_file_.empty()) find_mates(context, *teacher_->backbone);
}

torch::Tensor Bingo::queries(const torch::Tensor& x) { return nn::forward_in_groups(*student_, x, bag_.groups, ranks()); }

torch::Tensor Bingo::keys(const torch::Tensor& x) {
  teacher_->eval();
  return teacher_->forward(x);
}

namespace {

/// MoCo's, for a small student.
nlohmann::json published() {
  nlohmann::json values = moco_published();
  values["arch"] = "resnet18";
  return values;
}

/// The teacher normalises by its running statistics, so that there is nothing to shuffle; and nothing has momentum.
nlohmann::json small() {
  nlohmann::json values = moco_small();
  values.erase("ema");
  values.update({{"shuffle-groups", 1}, {"hidden", 512}});
  return values;
}

const bool registered = train::MethodRegistry::instance().add(
    "bingo", {.title = "BINGO",
              .paper = "Xu et al., Bag of Instances Aggregation Boosts Self-supervised Distillation, ICLR 2022, arXiv 2107.01691",
              .summary = "A student is drawn to what a frozen teacher makes of the same image and of a similar one from its bag.",
              .needs = "a teacher model with its projector (--teacher); four views",
              .cost = "2.1 x the time, 1.0 x the memory (with a teacher as large)",
              .profiles = {{"published", published()}, {"small", small()}},
              .make = [] { return std::make_shared<Bingo>(); }});
}  // namespace

}  // namespace selfsight::methods
