#include "dist/launch.h"

#include "core/error.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace selfsight::dist {

namespace {

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  [[nodiscard]] std::string text(const char* name) const {
    const char* value = environment_(name);
    return value == nullptr ? "" : value;
  }
  [[nodiscard]] bool has(const char* name) const { return !text(name).empty(); }
  [[nodiscard]] std::optional<int> number(const char* name) const {
    const std::string value = text(name);
    if (value.empty()) return std::nullopt;
    int out = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc() || end != value.data() + value.size() || out < 0)
      core::fail(core::Exit::usage, "{}={}: is no whole number from 0 on, as the launcher of several ranks sets it", name, value);
    return out;
  }

 private:
  const Environment& environment_;
};

/// A port that two jobs on one host hardly share.
int port_of(const std::string& job) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return 20000 + static_cast<int>(hash % 10000);
}

void take_meeting_place(Launch& launch, const Variables& variables, const std::string& host, const std::string& job) {
  launch.address = variables.has("MASTER_ADDR") ? variables.text("MASTER_ADDR") : host;
  launch.port = variables.number("MASTER_PORT").value_or(port_of(job));
  constexpr int largest = 65535;
  if (launch.port > largest) core::fail(core::Exit::usage, "MASTER_PORT={}: ports end at {}", launch.port, largest);
}

std::optional<Launch> from_torchrun(const Variables& variables) {
  const auto rank = variables.number("RANK"), size = variables.number("WORLD_SIZE");
  if (!rank || !size) return std::nullopt;
  Launch launch{.rank = *rank, .size = *size, .local_rank = variables.number("LOCAL_RANK").value_or(*rank)};
  launch.launcher = "torchrun";
  take_meeting_place(launch, variables, "127.0.0.1", "");
  if (!variables.has("MASTER_PORT")) launch.port = 29500;
  launch.agent = variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.attempt = variables.text("TORCHELASTIC_RESTART_COUNT");
  return launch;
}

std::optional<Launch> from_mpi(const Variables& variables) {
  const bool open = variables.has("OMPI_COMM_WORLD_RANK");
  const auto rank = variables.number(open ? "OMPI_COMM_WORLD_RANK" : "PMI_RANK");
  const auto size = variables.number(open ? "OMPI_COMM_WORLD_SIZE" : "PMI_SIZE");
  // srun gives PMI_RANK too, when it is asked to: then Slurm's own variables say more. Of Hydra's processes inside a job they are those of
  // its proxies.
  if (!rank || !size || (!open && variables.has("SLURM_STEP_NUM_TASKS") && !variables.has("MPI_LOCALNRANKS"))) return std::nullopt;
  Launch launch{.rank = *rank, .size = *size};
  launch.local_rank = variables.number(open ? "OMPI_COMM_WORLD_LOCAL_RANK" : "MPI_LOCALRANKID").value_or(*rank);
  launch.launcher = "mpirun";
  const auto here = variables.number(open ? "OMPI_COMM_WORLD_LOCAL_SIZE" : "MPI_LOCALNRANKS");
  if (*size > 1 && here.value_or(*size) != *size && !variables.has("MASTER_ADDR"))
    core::fail(core::Exit::usage,
               "MASTER_ADDR: mpirun started ranks on several hosts, so say where rank 0 is (mpirun -x MASTER_ADDR=HOST ...)");
  // What the processes of one mpirun have in common, and those of another have not.
  std::string job;
  for (const char* name : {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"})
    if (job.empty()) job = variables.text(name);
  take_meeting_place(launch, variables, "127.0.0.1", job);
  return launch;
}

/// Whether a node of "2(x3),1" has so many tasks.
bool has_node_of(const std::string& tasks_per_node, std::int64_t tasks) {
  for (std::size_t begin = 0; begin < tasks_per_node.size();) {
    const auto end = std::min(tasks_per_node.find(',', begin), tasks_per_node.size());
    std::int64_t of_node = 0;
    std::from_chars(tasks_per_node.data() + begin, tasks_per_node.data() + end, of_node);
    if (of_node == tasks) return true;
    begin = end + 1;
  }
  return false;
}

std::optional<Launch> from_slurm(const Variables& variables) {
  // Only a step's processes: in the batch script itself SLURM_NTASKS is what steps may have, and there is one process.
  const auto rank = variables.number("SLURM_PROCID"), size = variables.number("SLURM_STEP_NUM_TASKS");
  if (!rank || !size || !variables.has("SLURM_STEP_ID")) return std::nullopt;
  // The script of a job that was submitted from within a step inherits that step's variables, but for the ranks on this node.
  const std::string ids = variables.text("SLURM_GTIDS"), per_node = variables.text("SLURM_STEP_TASKS_PER_NODE");
  if (!ids.empty() && !per_node.empty() && !has_node_of(per_node, 1 + std::count(ids.begin(), ids.end(), ','))) return std::nullopt;
  Launch launch{.rank = *rank, .size = *size, .local_rank = variables.number("SLURM_LOCALID").value_or(*rank)};
  launch.launcher = "Slurm";
  const std::string nodes = variables.text(variables.has("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_JOB_NODELIST");
  const bool one_host = variables.number("SLURM_STEP_NUM_NODES").value_or(2) == 1;
  take_meeting_place(launch, variables, one_host ? "127.0.0.1" : first_host(nodes),
                     variables.text("SLURM_JOB_ID") + "." + variables.text("SLURM_STEP_ID"));
  launch.attempt = variables.text("SLURM_RESTART_COUNT");
  return launch;
}

}  // namespace

Launch detect_launch(const Environment& environment) {
  const Variables variables(environment);
  for (const auto& from : {from_torchrun, from_mpi, from_slurm}) {
    auto launch = from(variables);
    if (!launch) continue;
    if (launch->rank >= launch->size)
      core::fail(core::Exit::usage, "{} says that this is rank {} of {}", launch->launcher, launch->rank, launch->size);
    return launch->size == 1 ? Launch{.local_rank = launch->local_rank} : *launch;
  }
  // Of torchrun's variables one alone: several processes that each believe to be the only one would be worse.
  if (const bool rank = variables.has("RANK"); rank || variables.number("WORLD_SIZE").value_or(1) > 1)
    core::fail(core::Exit::usage, "{} is set and {} is not: several processes need both, one needs neither", rank ? "RANK" : "WORLD_SIZE",
               rank ? "WORLD_SIZE" : "RANK");
  return {};
}

Launch detect_launch() {
  return detect_launch([](const char* name) { return std::getenv(name); });
}

std::string first_host(const std::string& list) {
  const auto open = list.find_first_of("[,");
  if (open == std::string::npos || list[open] == ',') return list.substr(0, open);
  const auto end = list.find_first_of(",-]", open + 1);
  if (end == std::string::npos) core::fail(core::Exit::usage, "SLURM_STEP_NODELIST={}: is no list of hosts", list);
  const auto close = list.find(']', open);
  const auto next = list.find(',', close);
  return list.substr(0, open) + list.substr(open + 1, end - open - 1) + list.substr(close + 1, next - close - 1);
}

}  // namespace selfsight::dist
