// relu(batch_norm(x) [+ residual]) of a training batch as CUDA kernels. Pointers are of the device; nothing waits.
#pragma once

#include <cstdint>

struct CUstream_st;

namespace selfsight::nn::cuda {

enum class Element { float32, float16, bfloat16 };

/// Values of `rows` x `channels`, channels side by side. Channels must fill whole packs of 16 bytes.
struct Shape {
  Element element = Element::float32;
  std::int64_t rows = 0, channels = 0;
};
std::int64_t values_in_a_pack(Element element);
/// Floats of working memory that a call of either pass needs.
std::int64_t scratch_floats(const Shape& shape);

struct NormReluForward {
  Shape shape;
  const void *x, *residual;  ///< the latter nullptr: none
  const float *weight, *bias;
  void* y;
  float *mean, *inverse;  ///< of each channel, for the backward pass: mean, 1 / sqrt(variance + eps)
  float *running_mean, *running_var;
  std::int64_t* batches;  ///< one more is counted
  double momentum, eps;
  float* scratch;
};
void norm_relu(const NormReluForward& pass, CUstream_st* stream);

struct NormReluBackward {
  Shape shape;
  const void *x, *y, *dy;  ///< y: nullptr unless a residual was added
  const float *weight, *bias, *mean, *inverse;
  void *dx, *dresidual;  ///< the latter nullptr unless a residual was added
  float *dweight, *dbias;
  float* scratch;
};
void norm_relu(const NormReluBackward& pass, CUstream_st* stream);

}  // namespace selfsight::nn::cuda
