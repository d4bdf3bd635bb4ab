#include "tasks/torchscript.h"

#include "core/error.h"
#include "core/log.h"
#include "core/targets.h"
#include "nn/torchscript.h"
#include "train/embed.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace selfsight::tasks {

namespace {
constexpr const char* note = "selfsight.json";
}

void TorchscriptOptions::describe(core::Options& o) {
  o.add("torchscript", &file, "write the network here, for torch.jit.load of PyTorch and torch::jit::load of LibTorch")
      .metavar("FILE")
      .written()
      .runtime();
  o.add("force", &force, "replace the --torchscript FILE even when this program did not write it").only_with("torchscript").runtime();
}

void TorchscriptOptions::check() const {
  core::refuse_foreign(file, force, "a TorchScript file", [](const core::fs::path& path) { return nn::has_note(path, note); });
}

bool looks_like_manifest(const std::string& file) {
  // Weights cannot come through a pipe; and what is looked at there is gone.
  std::error_code none;
  if (file == "-" || core::fs::is_other(file, none)) return true;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) core::fail(core::Exit::no_input, "{}: {}", file, std::strerror(errno));
  std::array<char, 16> bytes{};
  stream.read(bytes.data(), bytes.size());
  const std::string_view start(bytes.data(), static_cast<std::size_t>(stream.gcount()));
  // A safetensors file may begin with the byte of a brace too, as the least of the eight that say how long its header is.
  if (start.find('\0') != std::string_view::npos) return false;
  const std::string_view text = core::without_mark(start);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

void write_torchscript(manifest::Model& model, const TorchscriptOptions& options) {
  const nn::ScriptInput input{.image = model.input.at(0), .mean = model.mean, .stddev = model.stddev};
  // RotNet's head of that name tells turns apart, and no classes: it is not described, and stays behind.
  const bool classifies = model.heads.contains("classifier") && model.heads.at("classifier").contains("architecture");
  std::shared_ptr<nn::Mlp> classifier;
  std::shared_ptr<nn::Backbone> backbone;
  if (classifies) {
    const auto encoder = train::load_encoder(model, "classifier");
    backbone = encoder->backbone;
    classifier = encoder->head;
  } else {
    backbone = train::load_pretrained(model).backbone;
  }
  const manifest::Json facts = {
      {"method", model.method}, {"architecture", model.architecture}, {"input", model.input},           {"mean", model.mean},
      {"stddev", model.stddev}, {"feature_dim", model.feature_dim},   {"weights", model.weights.digest}};
  const core::fs::path path = core::absolute_path(options.file);
  const std::string digest =
      nn::save_torchscript(path, nn::to_torchscript(*backbone, input, classifier.get()), {{note, facts.dump(1) + "\n"}});
  model.extra["torchscript"] = {{"path", path.string()}, {"digest", digest}};
  core::log_info("{}: TorchScript of {}{}, N x {} x {} x {} -> {} features", options.file, backbone->options().name,
                 classifies ? " with its classifier" : "", model.input.at(2), input.image, input.image, model.feature_dim);
}

}  // namespace selfsight::tasks
