#include "nn/torchscript.h"

#include "core/digest.h"
#include "core/error.h"
#include "nn/ema.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/serialization/export.h>

#include <functional>

namespace selfsight::nn {

namespace {

namespace jit = torch::jit;
using Units = std::shared_ptr<jit::CompilationUnit>;

/// The same tree of names and tensors. Every module knows its mode, because LibTorch's eval() insists on that.
jit::Module mirror(const torch::nn::Module& module, const Units& units) {
  jit::Module out(c10::QualifiedName("__torch__.selfsight.Network"), units, /*shouldMangle=*/true);
  out.register_attribute("training", c10::BoolType::get(), false);
  for (const auto& item : module.named_parameters(/*recurse=*/false))
    if (item.value().defined()) out.register_parameter(item.key(), item.value(), /*is_buffer=*/false);
  for (const auto& item : module.named_buffers(/*recurse=*/false))
    if (item.value().defined()) out.register_buffer(item.key(), item.value());
  for (const auto& item : module.named_children()) out.register_module(item.key(), mirror(*item.value(), units));
  return out;
}

/// Adds what `function` does with `example` as a method. Tensors of the module that it uses become reads of its attributes.
void add_traced(jit::Module& module, const std::string& name, const torch::Tensor& example,
                const std::function<torch::Tensor(const torch::Tensor&)>& function) {
  const auto traced = jit::tracer::trace(
      {example}, [&](const jit::Stack& inputs) { return jit::Stack{function(inputs.at(0).toTensor())}; },
      [](const torch::Tensor&) { return std::string(); }, /*strict=*/true, /*force_outplace=*/false, &module, {"x"});
  const std::shared_ptr<jit::Graph> graph = traced.first->graph;
  jit::EliminateDeadCode(graph);
  module.type()->addMethod(module._ivalue()->compilation_unit()->create_function(c10::QualifiedName(*module.type()->name(), name), graph));
}

/// Numbers without order, the same in every run and from no generator.
torch::Tensor images(const Backbone& backbone, std::int64_t count, std::int64_t side) {
  const std::int64_t channels = backbone.options().channels;
  return torch::arange(count * channels * side * side, torch::kFloat64)
      .square_()
      .mul_(0.37)
      .sin_()
      .to(torch::kFloat32)
      .view({count, channels, side, side});
}

/// Whether the trace is the backbone at this batch and size too.
bool agrees(Backbone& backbone, const jit::Module& module, std::int64_t count, std::int64_t side) {
  const torch::Tensor x = images(backbone, count, side);
  torch::Tensor expected, found;
  try {
    expected = backbone.forward(x).pooled;
    found = module.get_method("_features")({x}).toTensor();
  } catch (const std::exception&) {  // one of the two does not take this size
    return false;
  }
  return found.sizes() == expected.sizes() && torch::allclose(found, expected, 1e-5, 1e-6 * expected.abs().max().item<double>(), true);
}

/// By how much the sides of an input may differ from the traced one: by multiples of 1 or 32, or of 0, that is not at all.
std::int64_t step_of_sides(Backbone& backbone, const jit::Module& module, std::int64_t image) {
  for (const std::int64_t step : {1, 32})
    if (agrees(backbone, module, 1, image + step)) return step;
  return 0;
}

constexpr const char* forward_text = R"(
def forward(self, x: Tensor) -> Tensor:
    channels, height, width = self.input_size
    assert x.dim() == 4 and x.size(1) == channels, "expected an input of N x {channels} x H x W"
    assert {sides}, "the sides of the input must be {allowed}"
    return self._features(x)
)";

constexpr const char* normalize_text = R"(
def normalize(self, pixels: Tensor) -> Tensor:
    x = pixels if pixels.is_floating_point() else pixels.float() / 255.0
    mean = torch.tensor(self.mean, dtype=x.dtype, device=x.device).view(-1, 1, 1)
    std = torch.tensor(self.std, dtype=x.dtype, device=x.device).view(-1, 1, 1)
    return (x - mean) / std
)";

constexpr const char* logits_text = R"(
def logits(self, x: Tensor) -> Tensor:
    return self.classifier.forward(self.forward(x))
)";

std::string forward_source(std::int64_t channels, std::int64_t image, std::int64_t step) {
  const std::string sides = step == 0 ? "x.size(2) == height and x.size(3) == width"
                                      : fmt::format("(x.size(2) - height) % {0} == 0 and (x.size(3) - width) % {0} == 0", step);
  const std::string allowed = step == 0 ? fmt::format("{}", image) : fmt::format("{} or differ from it by multiples of {}", image, step);
  return fmt::format(fmt::runtime(forward_text), fmt::arg("channels", channels), fmt::arg("sides", sides), fmt::arg("allowed", allowed));
}

}  // namespace

torch::jit::Module to_torchscript(Backbone& backbone, const ScriptInput& input, Mlp* classifier) {
  const torch::NoGradGuard no_grad;
  backbone.eval();
  freeze(backbone);
  const std::int64_t channels = backbone.options().channels;
  const auto units = std::make_shared<jit::CompilationUnit>();
  jit::Module out = mirror(backbone, units);
  out.register_attribute("mean", c10::ListType::ofFloats(), c10::List<double>(input.mean));
  out.register_attribute("std", c10::ListType::ofFloats(), c10::List<double>(input.stddev));
  out.register_attribute("input_size", c10::ListType::ofInts(), c10::List<std::int64_t>({channels, input.image, input.image}));
  add_traced(out, "_features", images(backbone, 2, input.image), [&](const torch::Tensor& x) { return backbone.forward(x).pooled; });
  if (!agrees(backbone, out, 3, input.image))
    core::fail(core::Exit::internal, "{}: the traced network computes something else", backbone.options().name);
  out.define(forward_source(channels, input.image, step_of_sides(backbone, out, input.image)));
  out.define(normalize_text);
  if (classifier) {
    classifier->eval();
    freeze(*classifier);
    jit::Module head = mirror(*classifier, units);
    add_traced(head, "forward", torch::zeros({2, backbone.feature_dim()}), [&](const torch::Tensor& x) { return classifier->forward(x); });
    out.register_module("classifier", head);
    out.define(logits_text);
  }
  return out;
}

std::string save_torchscript(const core::fs::path& path, const torch::jit::Module& module,
                             const std::map<std::string, std::string>& notes) {
  // Whole in memory first: an error of the disk may not be thrown through the writer of the archive, which goes on writing when destroyed.
  std::string bytes;
  const auto write = [&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  };
  jit::ExportModule(module, write, jit::ExtraFilesMap(notes.begin(), notes.end()));
  core::write_atomically(path, bytes);
  return core::digest_of(bytes);
}

bool has_note(const core::fs::path& path, const std::string& name) {
  try {
    return caffe2::serialize::PyTorchStreamReader(path.string()).hasRecord("extra/" + name);
  } catch (const c10::Error&) {  // no archive of PyTorch's
    return false;
  }
}

}  // namespace selfsight::nn
