#include "report/embed2d.h"

#include "core/error.h"
#include "core/rng.h"
#include "core/threads.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace selfsight::report {
namespace {

using Vector = std::vector<double>;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// AᵀA / scale of a rows x cols matrix. Each row of the result is one thread's, summed in the order of A's rows.
Vector second_moment(const Vector& a, std::int64_t rows, std::int64_t cols, double scale, int threads) {
  Vector out(index(cols * cols), 0.0);
  core::parallel_for(cols, 16, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* row = a.data() + r * cols;
      for (std::int64_t i = begin; i < end; ++i) {
        const double factor = row[i] / scale;
        double* target = out.data() + i * cols;
        for (std::int64_t j = i; j < cols; ++j) target[j] += factor * row[j];
      }
    }
  });
  for (std::int64_t i = 0; i < cols; ++i) {
    for (std::int64_t j = 0; j < i; ++j) out[index(i * cols + j)] = out[index(j * cols + i)];
  }
  return out;
}

/// A (rows x inner) times B (inner x cols).
Vector multiply(const Vector& a, const Vector& b, std::int64_t rows, std::int64_t inner, std::int64_t cols, int threads) {
  Vector out(index(rows * cols), 0.0);
  core::parallel_for(rows, 16, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double* target = out.data() + i * cols;
      for (std::int64_t k = 0; k < inner; ++k) {
        const double factor = a[index(i * inner + k)];
        const double* row = b.data() + k * cols;
        for (std::int64_t j = 0; j < cols; ++j) target[j] += factor * row[j];
      }
    }
  });
  return out;
}

Vector transposed(const Vector& a, std::int64_t rows, std::int64_t cols) {
  Vector out(a.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) out[index(j * rows + i)] = a[index(i * cols + j)];
  }
  return out;
}

/// Orthonormal columns of an m x k matrix, by modified Gram-Schmidt run twice. A column that vanishes becomes zero.
void orthonormalise(Vector& v, std::int64_t m, std::int64_t k) {
  Vector columns = transposed(v, m, k);
  for (std::int64_t c = 0; c < k; ++c) {
    double* column = columns.data() + c * m;
    const double before = std::sqrt(std::inner_product(column, column + m, column, 0.0));
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t p = 0; p < c; ++p) {
        const double* other = columns.data() + p * m;
        const double dot = std::inner_product(column, column + m, other, 0.0);
        for (std::int64_t i = 0; i < m; ++i) column[i] -= dot * other[i];
      }
    }
    const double norm = std::sqrt(std::inner_product(column, column + m, column, 0.0));
    const double factor = norm > 1e-13 * before && norm > 0 ? 1 / norm : 0;
    for (std::int64_t i = 0; i < m; ++i) column[i] *= factor;
  }
  v = transposed(columns, k, m);
}

/// Eigenvalues (descending) and eigenvectors (columns) of a small symmetric matrix, by cyclic Jacobi rotations.
std::pair<Vector, Vector> jacobi(Vector a, std::int64_t n) {
  Vector v(index(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) v[index(i * n + i)] = 1;
  const auto at = [n](Vector& m, std::int64_t i, std::int64_t j) -> double& { return m[index(i * n + j)]; };
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, all = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) (i == j ? all : off) += at(a, i, j) * at(a, i, j);
    }
    if (off <= 1e-28 * all) break;
    for (std::int64_t p = 0; p < n; ++p) {
      for (std::int64_t q = p + 1; q < n; ++q) {
        if (at(a, p, q) == 0) continue;
        const double theta = (at(a, q, q) - at(a, p, p)) / (2 * at(a, p, q));
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::int64_t i = 0; i < n; ++i) {
          const double x = at(a, i, p), y = at(a, i, q);
          at(a, i, p) = c * x - s * y;
          at(a, i, q) = s * x + c * y;
        }
        for (std::int64_t i = 0; i < n; ++i) {
          const double x = at(a, p, i), y = at(a, q, i);
          at(a, p, i) = c * x - s * y;
          at(a, q, i) = s * x + c * y;
          const double u = at(v, i, p), w = at(v, i, q);
          at(v, i, p) = c * u - s * w;
          at(v, i, q) = s * u + c * w;
        }
      }
    }
  }
  std::vector<std::int64_t> order(index(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return at(a, i, i) > at(a, j, j); });
  Vector values, vectors(index(n * n));
  for (std::int64_t c = 0; c < n; ++c) {
    values.push_back(at(a, order[index(c)], order[index(c)]));
    for (std::int64_t i = 0; i < n; ++i) vectors[index(i * n + c)] = at(v, i, order[index(c)]);
  }
  return {values, vectors};
}

/// The leading `keep` eigenpairs of a symmetric m x m matrix: values, and vectors as columns (m x keep).
std::pair<Vector, Vector> leading_eigenpairs(const Vector& matrix, std::int64_t m, std::int64_t keep, int threads) {
  const std::int64_t block = std::min(m, keep + 12);
  Vector v(index(m * block));
  core::Rng rng(1, core::Stream::eval);
  for (double& value : v) value = rng.normal();
  orthonormalise(v, m, block);
  Vector values;
  for (int iteration = 0; iteration < 200; ++iteration) {
    Vector image = multiply(matrix, v, m, m, block, threads);
    auto [ritz, rotation] = jacobi(multiply(transposed(v, m, block), image, block, m, block, threads), block);
    const bool settled = !values.empty() && [&] {
      for (std::int64_t i = 0; i < keep; ++i) {
        if (std::abs(ritz[index(i)] - values[index(i)]) > 1e-9 * std::abs(ritz[0])) return false;
      }
      return true;
    }();
    values = ritz;
    if (settled || block == m) {
      v = multiply(v, rotation, m, block, block, threads);
      break;
    }
    v = multiply(image, rotation, m, block, block, threads);
    orthonormalise(v, m, block);
  }
  Vector vectors(index(m * keep));
  for (std::int64_t i = 0; i < m; ++i) std::copy_n(v.begin() + i * block, keep, vectors.begin() + i * keep);
  values.resize(index(keep));
  return {values, vectors};
}

/// Row-conditional probabilities with the wanted perplexity, by bisection on the precision; then symmetric, summing to 1.
std::vector<float> affinities(std::span<const double> x, std::int64_t n, std::int64_t dims, double perplexity, std::int64_t stride,
                              int threads) {
  std::vector<float> conditional(index(n * stride), 0.0F);
  const double target = std::log(perplexity);
  core::parallel_for(n, 8, threads, [&](std::int64_t begin, std::int64_t end) {
    Vector distance(index(n)), weight(index(n));
    for (std::int64_t i = begin; i < end; ++i) {
      double nearest = std::numeric_limits<double>::infinity();
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t d = 0; d < dims; ++d) {
          const double difference = x[index(i * dims + d)] - x[index(j * dims + d)];
          sum += difference * difference;
        }
        distance[index(j)] = sum;
        if (j != i) nearest = std::min(nearest, sum);
      }
      double beta = 1, low = 0, high = std::numeric_limits<double>::infinity(), total = 1;
      for (int step = 0; step < 64; ++step) {
        double weighted = 0;
        total = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          weight[index(j)] = j == i ? 0 : std::exp(-beta * (distance[index(j)] - nearest));
          total += weight[index(j)];
          weighted += weight[index(j)] * (distance[index(j)] - nearest);
        }
        const double gap = std::log(total) + beta * weighted / total - target;  // entropy minus the wanted one
        if (std::abs(gap) < 1e-6) break;
        (gap > 0 ? low : high) = beta;
        beta = std::isinf(high) ? beta * 2 : (low + high) / 2;
      }
      for (std::int64_t j = 0; j < n; ++j) conditional[index(i * stride + j)] = static_cast<float>(weight[index(j)] / total);
    }
  });
  std::vector<float> joint(index(n * stride), 0.0F);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      joint[index(i * stride + j)] = (conditional[index(i * stride + j)] + conditional[index(j * stride + i)]) / static_cast<float>(2 * n);
    }
  }
  return joint;
}

constexpr std::int64_t lanes = 8;
/// The compiler keeps this in one AVX register; sums run per lane, so their order is fixed.
using Lane = float __attribute__((vector_size(lanes * sizeof(float))));

Lane load(const float* from) {
  Lane out;
  std::copy_n(from, lanes, reinterpret_cast<float*>(&out));
  return out;
}

double total(const Lane& lane) {
  double sum = 0;
  for (std::int64_t l = 0; l < lanes; ++l) sum += static_cast<double>(lane[l]);
  return sum;
}

/// What all points do to point i.
struct Forces {
  double pull_x = 0, pull_y = 0, push_x = 0, push_y = 0, z = 0;
};

Forces forces_on(std::int64_t i, const std::vector<float>& p, const std::vector<float>& px, const std::vector<float>& py,
                 std::int64_t stride) {
  const float* row = p.data() + i * stride;
  const float xi = px[index(i)], yi = py[index(i)];
  Lane pull_x{}, pull_y{}, push_x{}, push_y{}, z{};
  for (std::int64_t j = 0; j < stride; j += lanes) {
    const Lane dx = xi - load(px.data() + j), dy = yi - load(py.data() + j);
    const Lane q = 1.0F / (1.0F + dx * dx + dy * dy);
    const Lane pq = load(row + j) * q, qq = q * q;
    pull_x += pq * dx;
    pull_y += pq * dy;
    push_x += qq * dx;
    push_y += qq * dy;
    z += q;
  }
  return {total(pull_x), total(pull_y), total(push_x), total(push_y), total(z) - 1.0};
}

/// The descent of a map: momentum and a gain for each coordinate (Jacobs 1988), as in the authors' program.
class Descent {
 public:
  explicit Descent(std::size_t numbers) : momenta_(numbers) {}

  void step(std::span<double> y, const std::vector<Forces>& forces, double z, double pull, double momentum, double rate) {
    double sum_x = 0, sum_y = 0;
    for (std::size_t i = 0; i < forces.size(); ++i) {
      move(y, 2 * i, 4 * (pull * forces[i].pull_x - forces[i].push_x / z), momentum, rate);
      move(y, 2 * i + 1, 4 * (pull * forces[i].pull_y - forces[i].push_y / z), momentum, rate);
      sum_x += y[2 * i];
      sum_y += y[2 * i + 1];
    }
    const auto count = static_cast<double>(forces.size());
    for (std::size_t i = 0; i < forces.size(); ++i) {
      y[2 * i] -= sum_x / count;
      y[2 * i + 1] -= sum_y / count;
    }
  }

 private:
  void move(std::span<double> y, std::size_t at, double gradient, double momentum, double rate) {
    auto& [gain, speed] = momenta_[at];
    gain = std::max(0.01, (gradient > 0) == (speed > 0) ? gain * 0.8 : gain + 0.2);
    speed = momentum * speed - rate * gain * gradient;
    y[at] += speed;
  }

  struct Momentum {
    double gain = 1, speed = 0;
  };
  std::vector<Momentum> momenta_;
};

/// KL(P || Q) of a finished map in nats; `z` is its normaliser.
double divergence_of(const std::vector<float>& p, std::int64_t count, std::int64_t stride, std::span<const double> y, double z) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const double pij = static_cast<double>(p[index(i * stride + j)]);
      if (i == j || pij <= 0) continue;
      const double dx = y[index(2 * i)] - y[index(2 * j)], dy = y[index(2 * i + 1)] - y[index(2 * j + 1)];
      sum += pij * std::log(pij * z * (1 + dx * dx + dy * dy));
    }
  }
  return sum;
}

}  // namespace

double Pca::share(std::size_t k) const {
  const auto end = variances.begin() + static_cast<std::ptrdiff_t>(std::min(k, variances.size()));
  return total_variance > 0 ? std::accumulate(variances.begin(), end, 0.0) / total_variance : 0;
}

Pca pca(std::span<const float> x, std::int64_t count, std::int64_t dims, std::int64_t keep, int threads) {
  if (count < 2 || dims < 1)
    core::fail(core::Exit::bad_data, "principal components need at least two rows, got {} of {} numbers", count, dims);
  for (const float value : x) {
    if (!std::isfinite(value)) core::fail(core::Exit::bad_data, "principal components: a value is not finite");
  }
  keep = std::min({keep, count - 1, dims});
  Pca out;
  out.mean.assign(index(dims), 0.0);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < dims; ++d) out.mean[index(d)] += static_cast<double>(x[index(i * dims + d)]);
  }
  for (double& value : out.mean) value /= static_cast<double>(count);
  Vector centred(index(count * dims));
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < dims; ++d) {
      const double value = static_cast<double>(x[index(i * dims + d)]) - out.mean[index(d)];
      centred[index(i * dims + d)] = value;
      out.total_variance += value * value;
    }
  }
  const double freedom = static_cast<double>(count - 1);
  out.total_variance /= freedom;

  const bool tall = count >= dims;
  const std::int64_t m = tall ? dims : count;
  const Vector moment = tall ? second_moment(centred, count, dims, freedom, threads)
                             : second_moment(transposed(centred, count, dims), dims, count, freedom, threads);
  auto [values, vectors] = leading_eigenpairs(moment, m, keep, threads);
  out.variances = values;
  if (tall) {
    out.components = transposed(vectors, dims, keep);
  } else {
    out.components = multiply(transposed(vectors, count, keep), centred, keep, count, dims, threads);
  }
  for (std::int64_t k = 0; k < keep; ++k) {
    out.variances[index(k)] = std::max(0.0, out.variances[index(k)]);
    double* row = out.components.data() + k * dims;
    const double norm = std::sqrt(std::inner_product(row, row + dims, row, 0.0));
    const double largest = *std::max_element(row, row + dims, [](double a, double b) { return std::abs(a) < std::abs(b); });
    const double factor = norm > 0 ? (largest < 0 ? -1 : 1) / norm : 0;
    for (std::int64_t d = 0; d < dims; ++d) row[d] *= factor;
  }
  out.scores = multiply(centred, transposed(out.components, keep, dims), count, dims, keep, threads);
  return out;
}

Tsne tsne(std::span<const double> x, std::int64_t count, std::int64_t dims, std::span<const double> start, const TsneOptions& options) {
  if (count < 4) core::fail(core::Exit::bad_data, "a t-SNE map needs at least four rows, got {}", count);
  Tsne out;
  out.perplexity = std::min(options.perplexity, static_cast<double>(count - 1) / 3);
  const std::int64_t stride = (count + lanes - 1) / lanes * lanes;
  const std::vector<float> p = affinities(x, count, dims, out.perplexity, stride, options.threads);

  double square = 0;
  for (std::int64_t i = 0; i < count; ++i) square += start[index(2 * i)] * start[index(2 * i)];
  const double scale = square > 0 ? 1e-4 / std::sqrt(square / static_cast<double>(count)) : 0;
  for (const double value : start) out.y.push_back(value * scale);

  // Padding points lie so far away that they act on nothing and add nothing to the normaliser.
  std::vector<float> px(index(stride), 1e18F), py(index(stride), 1e18F);
  Descent descent(out.y.size());
  std::vector<Forces> forces(index(count));
  const double rate = std::max(50.0, static_cast<double>(count) / options.exaggeration / 4);
  const auto evaluate = [&] {
    for (std::int64_t i = 0; i < count; ++i) {
      px[index(i)] = static_cast<float>(out.y[index(2 * i)]);
      py[index(i)] = static_cast<float>(out.y[index(2 * i + 1)]);
    }
    core::parallel_for(count, 64, options.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) forces[index(i)] = forces_on(i, p, px, py, stride);
    });
    double z = 0;
    for (const Forces& force : forces) z += force.z;
    return z;
  };
  for (std::int64_t iteration = 0; iteration < options.iterations; ++iteration) {
    const double z = evaluate();
    const bool early = iteration < options.exaggerated;
    descent.step(out.y, forces, z, early ? options.exaggeration : 1, early ? 0.5 : 0.8, rate);
  }
  out.divergence = divergence_of(p, count, stride, out.y, evaluate());
  return out;
}

}  // namespace selfsight::report
