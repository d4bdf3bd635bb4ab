// What limits batch normalisation is memory. torch's own operations read x for the statistics and again for the result, which ReLU (and the
// addition of a residual) read and write once more, and so on the way back: 13 (16) times the tensor in all. Here it is 8 (12).
#include "nn/cuda/norm_relu.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace selfsight::nn::cuda {

namespace {

constexpr int threads = 256;
constexpr std::int64_t most_blocks = 528;  // four for each multiprocessor of the largest GPUs
constexpr int ahead = 4;                   // rows that a thread loads before it uses them

__device__ float wide(float x) { return x; }
__device__ float wide(__half x) { return __half2float(x); }
__device__ float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
template <class T>
__device__ T narrow(float x);
template <>
__device__ float narrow(float x) {
  return x;
}
template <>
__device__ __half narrow(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __nv_bfloat16 narrow(float x) {
  return __float2bfloat16_rn(x);
}

/// 16 bytes: what a thread loads and stores at once.
template <class T>
struct alignas(16) Pack {
  static constexpr int size = 16 / sizeof(T);
  T values[size];
};

/// The work of a launch: a thread has one pack of channels (its x) and, from its y on, every so many rows.
struct Layout {
  dim3 grid, block;
};

int threads_along(std::int64_t packs) {
  int along = 1;
  while (along * 2 <= packs && along < 32) along *= 2;
  return along;
}

Layout layout_of(const Shape& shape) {
  const std::int64_t packs = shape.channels / values_in_a_pack(shape.element);
  const int x = threads_along(packs), y = threads / x;
  const std::int64_t across = (packs + x - 1) / x, down = (shape.rows + y * ahead - 1) / (y * ahead);
  const std::int64_t most = std::max<std::int64_t>(1, most_blocks / across);
  return {dim3(static_cast<unsigned>(across), static_cast<unsigned>(std::clamp<std::int64_t>(down, 1, most))),
          dim3(static_cast<unsigned>(x), static_cast<unsigned>(y))};
}

/// What is the same for all rows of a thread.
template <class T>
struct Channels {
  std::int64_t first, packs;
  __device__ explicit Channels(std::int64_t channels)
      : first((static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * Pack<T>::size), packs(channels / Pack<T>::size) {}
  [[nodiscard]] __device__ bool inside() const { return first < packs * Pack<T>::size; }
};

/// Calls `use(row, how many ahead)` for the thread's rows, `ahead` of them at a time.
template <class Load, class Use>
__device__ void over_rows(std::int64_t rows, const Load& load, const Use& use) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y;
  for (; row + (ahead - 1) * stride < rows; row += ahead * stride) {
#pragma unroll
    for (int i = 0; i < ahead; ++i) load(i, row + i * stride);
#pragma unroll
    for (int i = 0; i < ahead; ++i) use(i, row + i * stride);
  }
  for (; row < rows; row += stride) {
    load(0, row);
    use(0, row);
  }
}

/// Adds up the threads of a block that have the same channels, and writes their sums: partial[block][2][channels].
template <int size>
__device__ void write_partial(const float (&first)[size], const float (&second)[size], std::int64_t channel, bool inside,
                              std::int64_t channels, float* partial) {
  __shared__ float shared[threads][2 * size];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int v = 0; v < size; ++v) shared[own][v] = first[v], shared[own][size + v] = second[v];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
#pragma unroll
      for (int v = 0; v < 2 * size; ++v) shared[own][v] += shared[own + half * blockDim.x][v];
    }
  }
  if (threadIdx.y != 0 || !inside) return;
  float* out = partial + static_cast<std::int64_t>(blockIdx.y) * 2 * channels + channel;
#pragma unroll
  for (int v = 0; v < size; ++v) out[v] = shared[own][v], out[channels + v] = shared[own][size + v];
}

/// Sums of x - k and of its square, k being the channel's first value: nothing cancels when the mean is large.
template <class T>
__global__ void __launch_bounds__(threads) statistics(const Pack<T>* x, std::int64_t rows, std::int64_t channels, float* partial) {
  constexpr int size = Pack<T>::size;
  const Channels<T> own(channels);
  float sum[size] = {}, squares[size] = {}, shift[size] = {};
  if (own.inside()) {
    const Pack<T>* column = x + own.first / size;
    const Pack<T> top = column[0];
#pragma unroll
    for (int v = 0; v < size; ++v) shift[v] = wide(top.values[v]);
    Pack<T> loaded[ahead];
    over_rows(
        rows, [&](int i, std::int64_t row) { loaded[i] = column[row * own.packs]; },
        [&](int i, std::int64_t) {
#pragma unroll
          for (int v = 0; v < size; ++v) {
            const float d = wide(loaded[i].values[v]) - shift[v];
            sum[v] += d;
            squares[v] += d * d;
          }
        });
  }
  write_partial(sum, squares, own.first, own.inside(), channels, partial);
}

/// The sums over blocks of one channel, in the threads with threadIdx.y 0.
__device__ double2 sum_of_blocks(const float* partial, std::int64_t blocks, std::int64_t channels, std::int64_t channel) {
  __shared__ double2 shared[32][33];
  double2 sum = {0, 0};
  if (channel < channels)
    for (std::int64_t b = threadIdx.y; b < blocks; b += blockDim.y) {
      sum.x += partial[b * 2 * channels + channel];
      sum.y += partial[b * 2 * channels + channels + channel];
    }
  shared[threadIdx.y][threadIdx.x] = sum;
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
      shared[threadIdx.y][threadIdx.x].x += shared[threadIdx.y + half][threadIdx.x].x;
      shared[threadIdx.y][threadIdx.x].y += shared[threadIdx.y + half][threadIdx.x].y;
    }
  }
  return shared[0][threadIdx.x];
}

template <class T>
__global__ void __launch_bounds__(1024)
    finish_statistics(const T* x, const float* partial, std::int64_t blocks, std::int64_t rows, std::int64_t channels, float* mean,
                      float* inverse, float* running_mean, float* running_var, std::int64_t* batches, float momentum, float eps) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * 32 + threadIdx.x;
  const double2 sums = sum_of_blocks(partial, blocks, channels, channel);
  if (threadIdx.y != 0 || channel >= channels) return;
  const double count = static_cast<double>(rows), shifted = sums.x / count, whole = shifted + wide(x[channel]);
  const double variance = fmax(sums.y / count - shifted * shifted, 0.0);
  mean[channel] = static_cast<float>(whole);
  inverse[channel] = static_cast<float>(1.0 / sqrt(variance + static_cast<double>(eps)));
  if (channel == 0) ++*batches;
  running_mean[channel] += momentum * (static_cast<float>(whole) - running_mean[channel]);
  running_var[channel] += momentum * (static_cast<float>(variance * count / (count - 1)) - running_var[channel]);
}

/// How a thread's channels are normalised: (x - middle) * scale + shift.
template <class T>
struct Line {
  static constexpr int size = Pack<T>::size;
  float scale[size], middle[size], shift[size];
  __device__ Line(const float* weight, const float* bias, const float* mean, const float* inverse, std::int64_t first) {
#pragma unroll
    for (int v = 0; v < size; ++v) {
      scale[v] = inverse[first + v] * weight[first + v];
      middle[v] = mean[first + v];
      shift[v] = bias[first + v];
    }
  }
};

template <class T, bool residual>
__global__ void __launch_bounds__(threads)
    apply(const Pack<T>* x, const Pack<T>* shortcut, const float* weight, const float* bias, const float* mean, const float* inverse,
          std::int64_t rows, std::int64_t channels, Pack<T>* y) {
  constexpr int size = Pack<T>::size;
  const Channels<T> own(channels);
  if (!own.inside()) return;
  const Line<T> line(weight, bias, mean, inverse, own.first);
  const std::int64_t pack = own.first / size;
  Pack<T> of_x[ahead], of_shortcut[ahead];
  over_rows(
      rows,
      [&](int i, std::int64_t row) {
        of_x[i] = x[row * own.packs + pack];
        if (residual) of_shortcut[i] = shortcut[row * own.packs + pack];
      },
      [&](int i, std::int64_t row) {
        Pack<T> out;
#pragma unroll
        for (int v = 0; v < size; ++v) {
          float value = (wide(of_x[i].values[v]) - line.middle[v]) * line.scale[v] + line.shift[v];
          if (residual) value += wide(of_shortcut[i].values[v]);
          out.values[v] = narrow<T>(value < 0 ? 0.0F : value);  // NaN stays
        }
        y[row * own.packs + pack] = out;
      });
}

/// Whether ReLU let a value through is told by y where a residual was added, and computed again from x where not: y need not be read then.
template <class T, bool residual>
__global__ void __launch_bounds__(threads)
    gradient_sums(const Pack<T>* x, const Pack<T>* y, const Pack<T>* dy, const float* weight, const float* bias, const float* mean,
                  const float* inverse, std::int64_t rows, std::int64_t channels, float* partial) {
  constexpr int size = Pack<T>::size;
  const Channels<T> own(channels);
  float sum[size] = {}, product[size] = {};
  if (own.inside()) {
    const Line<T> line(weight, bias, mean, inverse, own.first);
    const std::int64_t pack = own.first / size;
    Pack<T> of_x[ahead], of_y[ahead], of_dy[ahead];
    over_rows(
        rows,
        [&](int i, std::int64_t row) {
          of_x[i] = x[row * own.packs + pack];
          of_dy[i] = dy[row * own.packs + pack];
          if (residual) of_y[i] = y[row * own.packs + pack];
        },
        [&](int i, std::int64_t) {
#pragma unroll
          for (int v = 0; v < size; ++v) {
            const float d = wide(of_x[i].values[v]) - line.middle[v];
            const float out = residual ? wide(of_y[i].values[v]) : d * line.scale[v] + line.shift[v];
            const float g = out > 0 ? wide(of_dy[i].values[v]) : 0.0F;
            sum[v] += g;
            product[v] += g * d;
          }
        });
  }
  write_partial(sum, product, own.first, own.inside(), channels, partial);
}

/// Gradients of gain and bias, and the means that the gradient of x needs: of dy, and of dy times the normalised x (over the deviation).
__global__ void __launch_bounds__(1024)
    finish_gradient_sums(const float* partial, std::int64_t blocks, std::int64_t rows, std::int64_t channels, const float* inverse,
                         float* dweight, float* dbias, float* mean_dy, float* mean_product) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * 32 + threadIdx.x;
  const double2 sums = sum_of_blocks(partial, blocks, channels, channel);
  if (threadIdx.y != 0 || channel >= channels) return;
  const double of = inverse[channel], count = static_cast<double>(rows);
  dbias[channel] = static_cast<float>(sums.x);
  dweight[channel] = static_cast<float>(sums.y * of);
  mean_dy[channel] = static_cast<float>(sums.x / count);
  mean_product[channel] = static_cast<float>(sums.y * of * of / count);
}

template <class T, bool residual>
__global__ void __launch_bounds__(threads)
    gradient(const Pack<T>* x, const Pack<T>* y, const Pack<T>* dy, const float* weight, const float* bias, const float* mean,
             const float* inverse, const float* mean_dy, const float* mean_product, std::int64_t rows, std::int64_t channels, Pack<T>* dx,
             Pack<T>* dresidual) {
  constexpr int size = Pack<T>::size;
  const Channels<T> own(channels);
  if (!own.inside()) return;
  const Line<T> line(weight, bias, mean, inverse, own.first);
  float of_all[size], slope[size];
#pragma unroll
  for (int v = 0; v < size; ++v) {
    of_all[v] = mean_dy[own.first + v];
    slope[v] = mean_product[own.first + v];
  }
  const std::int64_t pack = own.first / size;
  Pack<T> of_x[ahead], of_y[ahead], of_dy[ahead];
  over_rows(
      rows,
      [&](int i, std::int64_t row) {
        of_x[i] = x[row * own.packs + pack];
        of_dy[i] = dy[row * own.packs + pack];
        if (residual) of_y[i] = y[row * own.packs + pack];
      },
      [&](int i, std::int64_t row) {
        Pack<T> out, passed;
#pragma unroll
        for (int v = 0; v < size; ++v) {
          const float d = wide(of_x[i].values[v]) - line.middle[v];
          const float seen = residual ? wide(of_y[i].values[v]) : d * line.scale[v] + line.shift[v];
          const float g = seen > 0 ? wide(of_dy[i].values[v]) : 0.0F;
          out.values[v] = narrow<T>((g - of_all[v] - d * slope[v]) * line.scale[v]);
          if (residual) passed.values[v] = narrow<T>(g);
        }
        dx[row * own.packs + pack] = out;
        if (residual) dresidual[row * own.packs + pack] = passed;
      });
}

void check_launch() {
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess)
    throw std::runtime_error(std::string("CUDA: normalisation with ReLU: ") + cudaGetErrorString(status));
}

template <class T>
const Pack<T>* packs_of(const void* at) {
  return static_cast<const Pack<T>*>(at);
}

template <class T, bool residual>
void run(const NormReluForward& p, cudaStream_t stream) {
  const Layout layout = layout_of(p.shape);
  const std::int64_t rows = p.shape.rows, channels = p.shape.channels;
  statistics<T><<<layout.grid, layout.block, 0, stream>>>(packs_of<T>(p.x), rows, channels, p.scratch);
  finish_statistics<T><<<static_cast<unsigned>((channels + 31) / 32), dim3(32, 32), 0, stream>>>(
      static_cast<const T*>(p.x), p.scratch, layout.grid.y, rows, channels, p.mean, p.inverse, p.running_mean, p.running_var, p.batches,
      static_cast<float>(p.momentum), static_cast<float>(p.eps));
  apply<T, residual><<<layout.grid, layout.block, 0, stream>>>(packs_of<T>(p.x), packs_of<T>(p.residual), p.weight, p.bias, p.mean,
                                                               p.inverse, rows, channels, static_cast<Pack<T>*>(p.y));
  check_launch();
}

template <class T, bool residual>
void run(const NormReluBackward& p, cudaStream_t stream) {
  const Layout layout = layout_of(p.shape);
  const std::int64_t rows = p.shape.rows, channels = p.shape.channels;
  float *mean_dy = p.scratch + 2 * static_cast<std::int64_t>(layout.grid.y) * channels, *mean_product = mean_dy + channels;
  gradient_sums<T, residual><<<layout.grid, layout.block, 0, stream>>>(packs_of<T>(p.x), packs_of<T>(p.y), packs_of<T>(p.dy), p.weight,
                                                                       p.bias, p.mean, p.inverse, rows, channels, p.scratch);
  finish_gradient_sums<<<static_cast<unsigned>((channels + 31) / 32), dim3(32, 32), 0, stream>>>(
      p.scratch, layout.grid.y, rows, channels, p.inverse, p.dweight, p.dbias, mean_dy, mean_product);
  gradient<T, residual><<<layout.grid, layout.block, 0, stream>>>(packs_of<T>(p.x), packs_of<T>(p.y), packs_of<T>(p.dy), p.weight, p.bias,
                                                                  p.mean, p.inverse, mean_dy, mean_product, rows, channels,
                                                                  static_cast<Pack<T>*>(p.dx), static_cast<Pack<T>*>(p.dresidual));
  check_launch();
}

template <class P>
void run_for(const P& pass, bool residual, cudaStream_t stream) {
  switch (pass.shape.element) {
    case Element::float32:
      return residual ? run<float, true>(pass, stream) : run<float, false>(pass, stream);
    case Element::float16:
      return residual ? run<__half, true>(pass, stream) : run<__half, false>(pass, stream);
    case Element::bfloat16:
      return residual ? run<__nv_bfloat16, true>(pass, stream) : run<__nv_bfloat16, false>(pass, stream);
  }
}

}  // namespace

std::int64_t values_in_a_pack(Element element) { return element == Element::float32 ? 4 : 8; }

std::int64_t scratch_floats(const Shape& shape) { return 2 * (static_cast<std::int64_t>(layout_of(shape).grid.y) + 1) * shape.channels; }

void norm_relu(const NormReluForward& pass, CUstream_st* stream) { run_for(pass, pass.residual != nullptr, stream); }
void norm_relu(const NormReluBackward& pass, CUstream_st* stream) { run_for(pass, pass.dresidual != nullptr, stream); }

}  // namespace selfsight::nn::cuda
