// What ranks ask of NCCL, by the one rank that a GPU can have. Only where a CUDA device is.
#include "dist/communicator.h"
#include "unit/cuda.h"

#include <torch/csrc/distributed/c10d/HashStore.hpp>

using namespace selfsight;

TEST_CASE("NCCL opens, and sums, gathers and broadcasts what lies on a GPU; Gloo goes on with what lies on the host") {
  if (!test::has_cuda_device()) return;
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto communicator = dist::gloo(store, 0, 1, "127.0.0.1");
  dist::add_nccl(*communicator, store);
  for (const char* device : {"cuda:0", "cpu"}) {
    CAPTURE(device);
    const torch::Tensor x = torch::arange(6, torch::kFloat32).view({3, 2}).to(torch::Device(device));
    std::vector<torch::Tensor> tensors = {x.clone()};
    communicator->group()->allreduce(tensors)->wait();
    CHECK(tensors[0].equal(x));
    communicator->group()->broadcast(tensors)->wait();
    CHECK(tensors[0].equal(x));
    torch::Tensor own = x.clone(), all = torch::zeros_like(x);
    communicator->group()->_allgather_base(all, own)->wait();
    CHECK(all.equal(x));
  }
}
