// NCCL for the ranks of a run, as a module: only it links the CUDA half of LibTorch.
#define USE_C10D_NCCL  // the header is empty without it
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

extern "C" void selfsight_add_nccl(const c10::intrusive_ptr<c10d::Store>& store, c10d::ProcessGroup& group) {
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  group.setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL,
                   c10::make_intrusive<c10d::ProcessGroupNCCL>(store, group.getRank(), group.getSize(), options));
}
