#include "kernels/augment.h"

#include "core/error.h"
#include "core/threads.h"
#include "kernels/augment_block.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

namespace selfsight::kernels {
namespace {

struct HostRun {
  template <typename F>
  void for_each(std::int32_t count, const F& f) const {
    for (std::int32_t i = 0; i < count; ++i) f(i);
  }
  template <typename F>
  [[nodiscard]] std::int64_t sum(std::int32_t count, const F& f) const {
    std::int64_t sum = 0;
    for (std::int32_t i = 0; i < count; ++i) sum += f(i);
    return sum;
  }
};

using Make = void (*)(const HostRun&, const ViewTask&, const Normalisation&, float*, std::byte*);

template <int channels>
Make maker_of(Element element) {
  switch (element) {
    case Element::float32:
      return make_view<channels, float, HostRun>;
    case Element::float16:
      return make_view<channels, c10::Half, HostRun>;
    case Element::bfloat16:
      return make_view<channels, c10::BFloat16, HostRun>;
  }
  core::fail(core::Exit::internal, "no such element");
}

}  // namespace

void make_views(std::span<const ViewTask> tasks, const Normalisation& normalisation, std::int64_t channels, Element element, int threads) {
  const Make make = channels == 1 ? maker_of<1>(element) : maker_of<3>(element);
  core::parallel_for(std::ssize(tasks), 1, threads, [&](std::int64_t begin, std::int64_t end) {
    thread_local std::vector<float> middle(middle_values);
    thread_local std::vector<std::byte> scratch;
    for (std::int64_t i = begin; i < end; ++i) {
      const ViewTask& task = tasks[static_cast<std::size_t>(i)];
      scratch.resize(std::max(scratch.size(), scratch_bytes(task, channels)));
      make({}, task, normalisation, middle.data(), scratch.data());
    }
  });
}

}  // namespace selfsight::kernels
