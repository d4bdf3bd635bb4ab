#include "kernels/device_views.h"

#include "core/error.h"
#include "core/threads.h"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

namespace selfsight::kernels {
namespace {

Element element_of(at::ScalarType dtype) {
  if (dtype == at::kFloat) return Element::float32;
  if (dtype == at::kHalf) return Element::float16;
  if (dtype == at::kBFloat16) return Element::bfloat16;
  core::fail(core::Exit::internal, "views of type {}", c10::toString(dtype));
}

}  // namespace

struct DeviceViews::State {
  DeviceViewsOptions options;
  std::unique_ptr<Engine> engine;
};

DeviceViews::DeviceViews(DeviceViewsOptions options) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.options = std::move(options);
  if (s.options.channels != 1 && s.options.channels != 3) core::fail(core::Exit::internal, "views of {} channels", s.options.channels);
  for (const data::Recipe& recipe : s.options.recipes) check_size(recipe);
  const EngineOptions engine{s.options.channels, Normalisation(s.options.mean, s.options.stddev), element_of(s.options.dtype),
                             s.options.threads > 0 ? s.options.threads : core::default_threads()};
  s.engine = s.options.device.is_cpu() ? make_host_engine(engine) : make_cuda_engine(engine, s.options.device);
}

DeviceViews::~DeviceViews() = default;

const DecodeCounts& DeviceViews::counts() const { return state_->engine->counts(); }

ViewsUnderWay DeviceViews::make(std::span<const data::Stored> pictures, std::span<const std::vector<Request>> requests) {
  State& s = *state_;
  if (requests.size() != s.options.recipes.size())
    core::fail(core::Exit::internal, "{} views are asked for, of {}", requests.size(), s.options.recipes.size());
  const std::optional<c10::Stream> stream = s.engine->stream();
  const c10::OptionalStreamGuard guard(stream);
  ViewsUnderWay out;
  std::vector<std::vector<Shown>> shown(pictures.size());
  for (std::size_t v = 0; v < requests.size(); ++v) {
    const data::Recipe& recipe = s.options.recipes[v];
    const auto options = at::TensorOptions(s.options.dtype).device(s.options.device).memory_format(at::MemoryFormat::ChannelsLast);
    at::Tensor views = at::empty({std::ssize(requests[v]), s.options.channels, recipe.size, recipe.size}, options);
    auto* to = static_cast<std::byte*>(views.data_ptr());
    const auto bytes = static_cast<std::size_t>(s.options.channels * recipe.size * recipe.size) * views.element_size();
    for (const Request& request : requests[v]) {
      shown.at(request.picture).push_back({&recipe, &request.drawn, to});
      to += bytes;
    }
    out.views.push_back(std::move(views));
  }
  const std::vector<std::optional<std::string>> unusable = s.engine->make(pictures, shown);
  for (std::size_t p = 0; p < pictures.size(); ++p) {
    if (const auto& why = unusable[p]) out.bad.push_back({p, *why});
  }
  for (std::size_t v = 0; v < requests.size() && !out.bad.empty(); ++v) {
    for (std::size_t place = 0; place < requests[v].size(); ++place) {
      if (unusable[requests[v][place].picture]) out.views[v][static_cast<std::int64_t>(place)].zero_();
    }
  }
  if (stream) {
    out.made = std::make_shared<c10::Event>(stream->device_type());
    out.made->record(*stream);
  }
  return out;
}

std::vector<at::Tensor> DeviceViews::take(const ViewsUnderWay& under_way) const {
  if (under_way.made) {
    const c10::Device device = state_->options.device;
    const c10::Stream current = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
    under_way.made->block(current);
    // The memory belongs to the stream it was made on, which would use it again too early.
    for (const at::Tensor& views : under_way.views) views.record_stream(current);
  }
  return under_way.views;
}

}  // namespace selfsight::kernels
