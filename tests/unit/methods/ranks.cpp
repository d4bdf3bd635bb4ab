// A step of a method on several ranks is the step of one process on the whole batch: loss, gradients and what the update leaves, in
// float64. The ranks are processes, as in a run: each has random numbers of its own, from one seed.
#include "unit/methods/runs.h"

#include "dist/communicator.h"
#include "dist/gradients.h"
#include "nn/batch_norm.h"

#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <csignal>
#include <sstream>

using namespace selfsight;
namespace fs = std::filesystem;

namespace {

/// What is trained, and on how many views of 32 x 32 pixels; the last `small` of them have half the side.
struct Trained {
  std::string method;
  nlohmann::json options;
  std::size_t views = 2, small = 0;
  std::vector<std::string> modifiers;
  [[nodiscard]] std::string name() const { return modifiers.empty() ? method : modifiers[0] + "-" + method; }
};

std::vector<Trained> all_trained(const fs::path& folder) {
  const nlohmann::json moco = {{"queue", 16}, {"dim", 16}, {"shuffle-groups", 4}};
  const auto with = [](nlohmann::json values, const nlohmann::json& more) {
    values.update(more);
    return values;
  };
  return {
      {"simclr", nlohmann::json::object()},
      {"g-simclr", {{"widths", {32, 16}}}},
      {"byol", {{"hidden", 32}, {"dim", 16}}},
      {"simsiam", {{"dim", 32}, {"bottleneck", 8}}},
      {"swav", {{"hidden", 32}, {"dim", 16}, {"prototypes", 12}, {"queue", 16}, {"queue-epoch", 0}, {"freeze-prototypes", 1}}, 4},
      {"dino", {{"hidden", 32}, {"bottleneck", 16}, {"outputs", 24}, {"bn-in-head", true}}, 4},
      {"mae", {{"decoder-dim", 16}, {"decoder-depth", 1}, {"decoder-heads", 2}}, 1},
      {"dae", nlohmann::json::object(), 1},
      {"rotnet", nlohmann::json::object(), 1},
      {"moco", moco},
      {"moco", moco, 2, 0, {"hallucinator"}},
      {"simclr", nlohmann::json::object(), 2, 0, {"hallucinator"}},
      {"simsiam", {{"dim", 32}, {"bottleneck", 8}}, 2, 0, {"hallucinator"}},
      {"interclr", with(moco, {{"clusters", 4}, {"cluster-min", 5}, {"negative-pool", 40}, {"negatives", 12}, {"separate-heads", true}})},
      {"hsa", with(moco, {{"cross-from", 0}, {"mates-per-sample", 3}, {"stages", {"layer2"}}}), 4},
      {"bingo", {{"queue", 16}, {"shuffle-groups", 4}, {"mates-per-sample", 3}, {"teacher", test::write_teacher(folder)}}, 4},
      {"obow", {{"levels", {"layer2", "layer3"}}, {"words", 24}, {"border", 0}, {"larges", 2}, {"smalls", 1}, {"hidden", 16}}, 4, 1},
      {"pixpro", {{"hidden", 32}, {"dim", 16}, {"threshold", 1.5}}}};
}

/// A rank's part of the batch.
struct Inputs {
  data::Batch batch;
  train::Views views;

  Inputs(const Trained& what, const dist::Ranks& ranks) {
    torch::manual_seed(9);
    for (std::size_t view = 0; view < what.views; ++view) {
      const std::int64_t side = view + what.small < what.views ? 32 : 16;
      views.x.push_back(ranks.own_rows(torch::randn({8, 3, side, side}, torch::kFloat64)));
    }
    views.samples = ranks.own_rows(torch::arange(8) * 3);
    const auto [begin, end] = ranks.own_part(8);
    batch.views.resize(what.views);
    for (auto i = begin; i < end; ++i) {
      batch.samples.push_back(3 * i);
      for (std::size_t view = 0; view < what.views; ++view)
        batch.views[view].geometry.push_back(
            {100, 200, {static_cast<int>(5 * i), 10, 80, 80}, (view + static_cast<std::size_t>(i)) % 2 == 0});
    }
    views.batch = &batch;
  }
};

/// Two updates as the trainer makes them, with a plain optimizer: their losses ("losses"), and the state after them.
nn::State two_updates(const Trained& what, const dist::Ranks& ranks) {
  test::Built built(what.method, what.options, what.modifiers, ranks);
  built.to_float64();
  built.before_epoch();
  const Inputs inputs(what, ranks);
  std::vector<torch::Tensor> parameters = dist::trainable(*built.method);
  dist::GradientReducer reducer(ranks, parameters);
  std::vector<torch::Tensor> losses;
  for (std::uint64_t update = 0; update < 2; ++update) {
    built.method->zero_grad();
    torch::manual_seed(20 + update);
    const auto outcome = built.method->step(inputs.views, built.progress);
    reducer.before_backward(outcome.loss);
    outcome.loss.backward();
    losses.push_back(ranks.mean(outcome.loss));
    built.method->after_backward(built.progress);
    {
      const torch::NoGradGuard no_grad;
      for (auto& parameter : parameters)
        if (parameter.grad().defined()) parameter.sub_(parameter.grad(), 0.1);
    }
    built.method->after_update(built.progress);
    nn::average_local_norms(*built.method, ranks);
    ++built.progress.step;
  }
  nn::State out = nn::named_state(*built.method);
  out["losses"] = torch::stack(losses);
  for (auto& [name, tensor] : out) tensor = tensor.detach().to(torch::kFloat64).clone();
  return out;
}

constexpr const char* rank_of_several = "one of several ranks";
constexpr const char* told = "SELFSIGHT_TEST_RANKS";  // RANK SIZE FOLDER

fs::path result_of(const fs::path& folder, const Trained& what, int rank) {
  return folder / fmt::format("{}-{}.safetensors", what.name(), rank);
}

/// This program again in `size` processes at once, each of which does two updates of everything and leaves the results in `folder`.
void run_ranks(int size, const fs::path& folder) {
  const std::string only = std::string("--test-case=") + rank_of_several;
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const std::string say = fmt::format("{}={} {} {}", told, rank, size, folder.string());
    std::vector<std::string> words = {"/usr/bin/env", say, fs::read_symlink("/proc/self/exe").string(), only, "--no-skip"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder / fmt::format("out-{}", rank)).c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(::posix_spawn(&children.emplace_back(), argv[0], &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  std::vector<int> ends(children.size());
  for (std::size_t rank = 0; rank < children.size(); ++rank) ::waitpid(children[rank], &ends[rank], 0);
  for (int rank = 0; rank < size; ++rank) {
    const int status = ends[static_cast<std::size_t>(rank)];
    const std::string said = test::text_of(folder / fmt::format("out-{}", rank));
    REQUIRE_MESSAGE(status == 0, "rank " << rank << ": " << said);
  }
}

}  // namespace

TEST_CASE(rank_of_several* doctest::skip()) {  // started by the next one
  const char* words = std::getenv(told);
  if (words == nullptr) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not longer than the test that started it
  std::istringstream in(words);
  int rank = 0, size = 0;
  std::string folder;
  in >> rank >> size >> folder;
  at::set_num_threads(1);
  const auto store = c10::make_intrusive<c10d::FileStore>(folder + "/store", size);
  const dist::Ranks ranks(dist::gloo(store, rank, size, "127.0.0.1"));
  const test::Folder own;
  for (const auto& what : all_trained(own.path())) nn::save_tensors(result_of(folder, what, rank), two_updates(what, ranks));
}

TEST_CASE("several ranks: the methods' steps are those of one process on the whole batch") {
  const test::Folder own;
  std::map<std::string, nn::State> alone;
  std::set<std::string> seen;
  for (const auto& what : all_trained(own.path())) {
    alone[what.name()] = two_updates(what, {});
    seen.insert(what.modifiers.empty() ? what.method : what.modifiers[0]);
  }
  for (const auto& name : test::methods()) CHECK_MESSAGE(seen.contains(name), name << " is not tested on several ranks");
  for (const auto& name : test::modifiers()) CHECK_MESSAGE(seen.contains(name), name << " is not tested on several ranks");
  for (const int size : {2, 4}) {
    CAPTURE(size);
    const test::Folder folder;
    run_ranks(size, folder.path());
    for (const auto& what : all_trained(own.path())) {
      CAPTURE(what.name());
      const nn::State first = nn::load_tensors(result_of(folder.path(), what, 0));
      // Groups that are normalised on their own leave a rank the statistics of its groups, which are averaged, and one process those of all
      // groups one after the other.
      const bool grouped = what.options.value("shuffle-groups", 1) > 1;
      for (int rank = 0; rank < size; ++rank) {
        const nn::State part = nn::load_tensors(result_of(folder.path(), what, rank));
        for (const auto& [key, tensor] : alone.at(what.name())) {
          CAPTURE(key);
          if (tensor.isnan().all().item<bool>()) continue;  // what no epoch has filled in yet
          const bool differs = grouped && (key.find(".running_") != std::string::npos || key.ends_with("num_batches_tracked"));
          if (!differs) CHECK((part.at(key) - tensor).abs().max().item<double>() < 1e-9);
          CHECK(part.at(key).equal(first.at(key)));  // the ranks stay one network, to the last bit
        }
      }
    }
  }
}
