// Seconds of k-means (seeds, 25 iterations, labels) and of a search for 20 neighbours by cosine. One line of JSON for each line on stdin,
// so that a peer can take turns.
#include "nn/kmeans.h"
#include "bench/kmeans_data.h"
#include "core/progress.h"
#include "nn/neighbours.h"
#include "train/tensors.h"

#include <iostream>

using namespace selfsight;

int main() {
  train::prepare_cpu(0);
  std::vector<float> x = bench::features(bench::rows, 2), q = bench::features(bench::queries, 3);
  const torch::Tensor rows = torch::from_blob(x.data(), {bench::rows, bench::dim}),
                      queries = torch::from_blob(q.data(), {bench::queries, bench::dim});
  std::string line;
  for (std::uint64_t seed = 1; std::getline(std::cin, line); ++seed) {
    const double begin = core::monotonic_seconds(), processor = bench::processor_seconds();
    const auto result = nn::kmeans(rows, bench::clusters, bench::iterations, seed);
    const double middle = core::monotonic_seconds(), used = bench::processor_seconds();
    const auto found = nn::nearest(queries, rows, bench::neighbours);
    bench::print(middle - begin, used - processor, result.inertia.back(), core::monotonic_seconds() - middle,
                 bench::processor_seconds() - used, found.distances.mean().item<double>());
  }
}
