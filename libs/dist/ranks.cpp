#include "dist/ranks.h"

#include "core/error.h"
#include "core/module.h"
#include "dist/communicator.h"

#include <functional>

#define USE_C10D_GLOO  // the header is empty without it
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <cstdlib>

namespace selfsight::dist {

namespace {

using Work = c10::intrusive_ptr<c10d::Work>;

void wait_for(const std::function<Work()>& start) {
  const Work work = start();
  try {
    work->wait();
  } catch (const std::exception& error) {
    throw LostContact(words_of(error));
  }
}

bool is_channels_last(const torch::Tensor& x) {
  return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(torch::MemoryFormat::ChannelsLast);
}

struct Box : torch::CustomClassHolder {
  explicit Box(Ranks content) : ranks(std::move(content)) {}
  Ranks ranks;
};

struct Gather : torch::autograd::Function<Gather> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& rows, const Ranks& ranks) {
    context->saved_data["ranks"] = saved(ranks);
    return ranks.gather(rows);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    const Ranks ranks = saved_ranks(context->saved_data["ranks"]);
    torch::Tensor grad = grads[0].contiguous().clone();
    ranks.sum_(grad);
    return {ranks.own_rows(grad), torch::Tensor()};
  }
};

}  // namespace

Ranks::Ranks(std::shared_ptr<Communicator> communicator)
    : communicator_(std::move(communicator)), rank_(communicator_->group()->getRank()), size_(communicator_->group()->getSize()) {}

torch::Tensor Ranks::own_rows(const torch::Tensor& whole) const {
  if (alone()) return whole;
  if (whole.size(0) % size_ != 0) core::fail(core::Exit::internal, "{} rows for {} ranks", whole.size(0), size_);
  const std::int64_t rows = whole.size(0) / size_;
  return whole.narrow(0, rank_ * rows, rows);
}

torch::Tensor Ranks::whole_like(const torch::Tensor& own) const {
  if (alone()) return own;
  auto sizes = own.sizes().vec();
  sizes[0] = whole(sizes[0]);
  return torch::empty(sizes, own.options().memory_format(own.suggest_memory_format()));
}

std::pair<std::int64_t, std::int64_t> Ranks::own_part(std::int64_t count) const {
  return {count * rank_ / size_, count * (rank_ + 1) / size_};
}

void Ranks::sum_(const torch::Tensor& x) const {
  if (alone()) return;
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> tensors = {x.is_contiguous() ? x : x.contiguous()};
  wait_for([&] { return communicator_->group()->allreduce(tensors); });
  if (!x.is_contiguous()) x.copy_(tensors[0]);
}

torch::Tensor Ranks::mean(const torch::Tensor& x) const {
  if (alone()) return x.detach();
  torch::Tensor out = x.detach().clone(torch::MemoryFormat::Contiguous);
  sum_(out);
  return out.div_(size_);
}

torch::Tensor Ranks::gather(const torch::Tensor& rows) const {
  if (alone()) return rows.detach();
  const torch::NoGradGuard no_grad;
  if (is_channels_last(rows)) return gather(rows.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
  auto sizes = rows.sizes().vec();
  sizes[0] = whole(sizes[0]);
  torch::Tensor own = rows.detach().contiguous(), all = torch::empty(sizes, own.options());
  wait_for([&] { return communicator_->group()->_allgather_base(all, own); });
  return all;
}

torch::Tensor Ranks::gather_with_gradient(const torch::Tensor& rows) const { return alone() ? rows : Gather::apply(rows, *this); }

torch::Tensor Ranks::gather_parts(const torch::Tensor& rows) const {
  if (alone()) return rows;
  const torch::NoGradGuard no_grad;
  const torch::Tensor counts = gather(torch::full({1}, rows.size(0), torch::kInt64));
  auto sizes = rows.sizes().vec();
  sizes[0] = counts.sum().item<std::int64_t>();
  torch::Tensor all = torch::empty(sizes, rows.options());
  std::int64_t begin = 0;
  for (int rank = 0; rank < size_; ++rank) {  // each straight into its place: these may be the features of a whole data set
    const auto count = counts[rank].item<std::int64_t>();
    const torch::Tensor part = all.narrow(0, begin, count);
    if (rank == rank_) part.copy_(rows);
    if (count > 0) broadcast_(part, rank);
    begin += count;
  }
  return all;
}

void Ranks::broadcast_(const torch::Tensor& x, int from) const {
  if (alone()) return;
  if (x.scalar_type() == torch::kBool) return broadcast_(x.view(torch::kUInt8), from);  // Gloo takes no truth values
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> tensors = {x.is_contiguous() ? x : x.contiguous()};
  c10d::BroadcastOptions options;
  options.rootRank = from;
  wait_for([&] { return communicator_->group()->broadcast(tensors, options); });
  if (!x.is_contiguous()) x.copy_(tensors[0]);
}

namespace {

torch::Tensor bytes_of(const std::string& text) {
  return torch::from_blob(const_cast<char*>(text.data()), {static_cast<std::int64_t>(text.size())}, torch::kUInt8).clone();
}

std::string text_of(const torch::Tensor& bytes) {
  return {reinterpret_cast<const char*>(bytes.const_data_ptr<std::uint8_t>()), static_cast<std::size_t>(bytes.numel())};
}

}  // namespace

std::string Ranks::broadcast(const std::string& text) const {
  if (alone()) return text;
  const torch::Tensor length = torch::full({1}, static_cast<std::int64_t>(text.size()), torch::kInt64);
  broadcast_(length);
  const auto count = length.item<std::int64_t>();
  const torch::Tensor bytes = first() ? bytes_of(text) : torch::empty({count}, torch::kUInt8);
  if (count > 0) broadcast_(bytes);
  return text_of(bytes);
}

std::vector<std::string> Ranks::gather(const std::string& text) const {
  if (alone()) return {text};
  const torch::Tensor lengths = gather(torch::full({1}, static_cast<std::int64_t>(text.size()), torch::kInt64));
  const torch::Tensor all = gather_parts(bytes_of(text));
  std::vector<std::string> out;
  std::int64_t begin = 0;
  for (int r = 0; r < size_; ++r) {
    const auto length = lengths[r].item<std::int64_t>();
    out.push_back(text_of(all.narrow(0, begin, length).contiguous()));
    begin += length;
  }
  return out;
}

void join_all(torch::nn::Module& module, const Ranks& ranks) {
  for (const auto& part : module.modules(/*include_self=*/false))
    if (auto* aware = dynamic_cast<RankAware*>(part.get())) aware->join(ranks);
  if (auto* aware = dynamic_cast<RankAware*>(&module)) aware->join(ranks);
}

c10::IValue saved(const Ranks& ranks) { return c10::IValue::make_capsule(c10::make_intrusive<Box>(ranks)); }

Ranks saved_ranks(const c10::IValue& value) { return c10::static_intrusive_pointer_cast<Box>(value.toCapsule())->ranks; }

std::shared_ptr<Communicator> gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, const std::string& address,
                                   double seconds) {
  using Gloo = c10d::ProcessGroupGloo;
  const auto options = Gloo::Options::create(std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"); interface != nullptr && *interface != '\0')
    options->devices.push_back(Gloo::createDeviceForInterface(interface));
  else if (!address.empty())
    options->devices.push_back(Gloo::createDeviceForHostname(address));
  else
    options->devices.push_back(Gloo::createDefaultDevice());
  auto backend = c10::make_intrusive<Gloo>(store, rank, size, options);
  backend->setTimeout(kBackendDefaultTimeout);  // from here on who is slow is waited for, and who is gone is known otherwise
  auto group = c10::make_intrusive<c10d::ProcessGroup>(store, rank, size);
  group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, backend);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  return std::make_shared<Communicator>(std::move(group));
}

void add_nccl(Communicator& communicator, const c10::intrusive_ptr<c10d::Store>& store) {
#ifdef SELFSIGHT_CUDA
  using Make = void (*)(const c10::intrusive_ptr<c10d::Store>&, c10d::ProcessGroup&);
  reinterpret_cast<Make>(core::open_module("selfsight_nccl.so", "selfsight_add_nccl", "several processes on GPUs"))(store,
                                                                                                                    *communicator.group());
#else
  static_cast<void>(communicator), static_cast<void>(store);
  core::fail(core::Exit::usage, "several processes on GPUs: this build is without CUDA; build with the cuda preset");
#endif
}

}  // namespace selfsight::dist
