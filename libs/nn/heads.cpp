#include "nn/heads.h"

#include "core/error.h"
#include "nn/losses.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace selfsight::nn {

nlohmann::json to_json(const MlpOptions& o) {
  return {{"name", "mlp"},
          {"dims", o.dims},
          {"batch_norm", o.batch_norm},
          {"last_batch_norm", o.last_batch_norm},
          {"last_affine", o.last_affine},
          {"last_norm_bias", o.last_norm_bias},
          {"bias", o.bias},
          {"bias_before_norm", o.bias_before_norm},
          {"activation", o.activation}};
}

MlpOptions mlp_options(const nlohmann::json& json) {
  MlpOptions o;
  try {
    o.dims = json.at("dims").get<std::vector<std::int64_t>>();
    o.batch_norm = json.value("batch_norm", o.batch_norm);
    o.last_batch_norm = json.value("last_batch_norm", o.last_batch_norm);
    o.last_affine = json.value("last_affine", o.last_affine);
    o.last_norm_bias = json.value("last_norm_bias", o.last_norm_bias);
    o.bias = json.value("bias", o.bias);
    o.bias_before_norm = json.value("bias_before_norm", o.bias_before_norm);
    o.activation = json.value("activation", o.activation);
  } catch (const nlohmann::json::exception& error) {
    core::fail(core::Exit::bad_data, "the architecture of a head does not fit an MLP: {}", error.what());
  }
  return o;
}

Mlp::Mlp(const MlpOptions& options) : options_(options) {
  if (options.dims.size() < 2) core::fail(core::Exit::usage, "an MLP needs an input and an output width");
  if (options.activation != "relu" && options.activation != "gelu")
    core::fail(core::Exit::usage, "unknown activation '{}' (known: relu, gelu)", options.activation);
  int child = 0;
  const auto next = [&] { return std::to_string(child++); };
  for (std::size_t i = 0; i + 1 < options.dims.size(); ++i) {
    const bool last = i + 2 == options.dims.size(), norm = last ? options.last_batch_norm : options.batch_norm;
    const bool bias = norm ? options.bias_before_norm : options.bias;
    linears_.push_back(
        register_module(next(), torch::nn::Linear(torch::nn::LinearOptions(options.dims[i], options.dims[i + 1]).bias(bias))));
    norms_.push_back(nullptr);
    if (norm) {
      norms_.back() =
          register_module(next(), BatchNorm(BatchNormOptions{.channels = options.dims[i + 1], .affine = !last || options.last_affine}));
      if (last && options.last_affine && !options.last_norm_bias) norms_.back()->bias.set_requires_grad(false);
    }
    ++child;  // the activation has a number, but nothing to save
  }
}

torch::Tensor Mlp::forward(torch::Tensor x) {
  for (std::size_t i = 0; i < linears_.size(); ++i) {
    x = linears_[i](x);
    if (!norms_[i].is_empty()) x = norms_[i](x);
    if (i + 1 < linears_.size()) x = options_.activation == "relu" ? torch::relu(x) : torch::gelu(x);
  }
  return x;
}

WeightNormLinear::WeightNormLinear(std::int64_t in, std::int64_t out, bool fixed_gain) {
  weight_g = register_parameter("weight_g", torch::ones({out, 1}), /*requires_grad=*/!fixed_gain);
  weight_v = register_parameter("weight_v", torch::empty({out, in}));
  torch::nn::init::kaiming_uniform_(weight_v, std::sqrt(5.0));  // as a Linear's; only the direction counts
}

torch::Tensor WeightNormLinear::forward(const torch::Tensor& x) { return torch::linear(x, at::_weight_norm(weight_v, weight_g, 0)); }

DinoHead::DinoHead(const DinoHeadOptions& options) {
  MlpOptions mlp{.dims = {options.in}, .batch_norm = options.batch_norm, .bias_before_norm = true, .activation = "gelu"};
  for (std::int64_t i = 1; i < options.layers; ++i) mlp.dims.push_back(options.hidden);
  mlp.dims.push_back(options.bottleneck);
  mlp_ = register_module("mlp", std::make_shared<Mlp>(mlp));
  for (const auto& module : mlp_->modules(/*include_self=*/false))
    if (auto* linear = module->as<torch::nn::Linear>()) {
      torch::nn::init::normal_(linear->weight, 0.0, 0.02);
      torch::nn::init::zeros_(linear->bias);
    }
  last_layer_ = register_module("last_layer", std::make_shared<WeightNormLinear>(options.bottleneck, options.out, options.norm_last_layer));
}

torch::Tensor DinoHead::forward(const torch::Tensor& x) { return last_layer_->forward(unit_rows(mlp_->forward(x))); }

Prototypes::Prototypes(std::int64_t dim, std::int64_t count) {
  weight = register_parameter("weight", torch::randn({count, dim}));
  normalize();
}

torch::Tensor Prototypes::forward(const torch::Tensor& z) {
  const FullPrecision guard;  // temperatures of 0.05 and 0.1 magnify what half precision rounds away
  return torch::linear(widened(z), weight);
}

void Prototypes::normalize() {
  const torch::NoGradGuard no_grad;
  weight.div_(weight.norm(2, 1, /*keepdim=*/true).clamp_min_(1e-12));
}

}  // namespace selfsight::nn
