// The same by FAISS: its Clustering with as many iterations on an IndexFlatL2 and a search for the labels; IndexFlatIP for the neighbours.
#include "bench/kmeans_data.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>

#include <chrono>
#include <iostream>
#include <numeric>
#include <string>

int main() {
  const auto seconds = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  const std::vector<float> x = bench::features(bench::rows, 2), q = bench::features(bench::queries, 3);
  faiss::IndexFlatIP bank(bench::dim);
  bank.add(bench::rows, x.data());
  std::string line;
  for (int seed = 1; std::getline(std::cin, line); ++seed) {
    const double begin = seconds(), processor = bench::processor_seconds();
    faiss::ClusteringParameters options;
    options.niter = static_cast<int>(bench::iterations);
    options.seed = seed;
    faiss::Clustering clustering(static_cast<int>(bench::dim), static_cast<int>(bench::clusters), options);
    faiss::IndexFlatL2 index(bench::dim);
    clustering.train(bench::rows, x.data(), index);
    std::vector<float> distances(bench::rows);
    std::vector<faiss::Index::idx_t> labels(bench::rows);
    index.search(bench::rows, x.data(), 1, distances.data(), labels.data());
    const double middle = seconds(), used = bench::processor_seconds();
    std::vector<float> similarity(bench::queries * bench::neighbours);
    std::vector<faiss::Index::idx_t> found(similarity.size());
    bank.search(bench::queries, q.data(), bench::neighbours, similarity.data(), found.data());
    bench::print(middle - begin, used - processor, std::accumulate(distances.begin(), distances.end(), 0.0), seconds() - middle,
                 bench::processor_seconds() - used,
                 1 - std::accumulate(similarity.begin(), similarity.end(), 0.0) / static_cast<double>(similarity.size()));
  }
}
