#include "train/monitor.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight;

namespace {

/// How many warnings `looks` looks give, and after how many of them the first came.
std::pair<int, int> warnings(train::CollapseMonitor& monitor, int looks, double spread, double loss, double uniform) {
  int count = 0, first = 0;
  for (int i = 1; i <= looks; ++i)
    if (monitor.look(spread, loss, uniform)) {
      ++count;
      if (first == 0) first = i;
    }
  return {count, first};
}

}  // namespace

TEST_CASE("the spread of embeddings is 1 on the whole sphere and 0 where all are the same, whatever their length") {
  train::CollapseMonitor monitor;
  torch::manual_seed(0);
  CHECK(monitor.spread(torch::randn({4096, 64}) * 7) == doctest::Approx(1).epsilon(0.02));
  CHECK(monitor.spread(torch::ones({256, 64}) * torch::rand({256, 1})) < 1e-3);
  // Half of the dimensions in use: sqrt(1/2) on them, 0 on the others.
  CHECK(monitor.spread(torch::cat({torch::randn({4096, 32}), torch::zeros({4096, 32})}, 1)) ==
        doctest::Approx(std::sqrt(2.0) / 2).epsilon(0.02));
}

TEST_CASE("a collapse is told once it has lasted, once a cause, and a healthy look starts the count again") {
  train::CollapseMonitor monitor;
  CHECK(warnings(monitor, 100, 0.01, 3.0, 0) == std::pair(1, 20));
  CHECK(warnings(monitor, 100, 0.9, 3.0, 0) == std::pair(0, 0));
  CHECK(warnings(monitor, 19, 0.01, 3.0, 0) == std::pair(0, 0));
  CHECK_FALSE(monitor.look(0.9, 3.0, 0).has_value());
  CHECK(warnings(monitor, 19, 0.01, 3.0, 0) == std::pair(0, 0));
  train::CollapseMonitor other;
  const double uniform = std::log(4096.0);
  CHECK(warnings(other, 100, 0.9, uniform * 1.0005, uniform) == std::pair(1, 20));
  CHECK(warnings(other, 100, 0.9, uniform * 1.01, uniform) == std::pair(0, 0));
}

TEST_CASE("a loss that has grown a hundredfold is told once") {
  train::CollapseMonitor monitor;
  CHECK(warnings(monitor, 10, 0.9, 3.0, 0) == std::pair(0, 0));
  CHECK(warnings(monitor, 10, 0.9, 299.0, 0) == std::pair(0, 0));
  CHECK(warnings(monitor, 2, 0.9, 1e14, 0) == std::pair(0, 0));
  CHECK(warnings(monitor, 10, 0.9, 3.0, 0) == std::pair(0, 0));
  CHECK(warnings(monitor, 10, 0.9, 1e14, 0) == std::pair(1, 3));
  train::CollapseMonitor later;
  later.look(0.9, std::nan(""), 0);
  later.set_first_loss(monitor.first_loss());  // of a checkpoint
  CHECK(warnings(later, 10, 0.9, 1e14, 0) == std::pair(1, 3));
  train::CollapseMonitor cosine;  // between -1 and 1
  CHECK(warnings(cosine, 1, 0.9, -0.001, 0) == std::pair(0, 0));
  CHECK(warnings(cosine, 10, 0.9, -0.99, 0) == std::pair(0, 0));
}
