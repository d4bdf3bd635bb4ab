#include "dist/launch.h"

#include "unit/support.h"

#include <map>

using namespace selfsight;

namespace {

dist::Launch launch(const std::map<std::string, std::string>& variables) {
  return dist::detect_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

/// As srun sets them for task 1 of 2 on one node (Slurm 22.05), on top of what the batch script has.
const std::map<std::string, std::string> step = {
    {"SLURM_PROCID", "1"},         {"SLURM_LOCALID", "1"},        {"SLURM_NTASKS", "2"},         {"SLURM_STEP_ID", "0"},
    {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_STEP_NODELIST", "n7"}, {"SLURM_STEP_TASKS_PER_NODE", "2"},
    {"SLURM_GTIDS", "0,1"},        {"SLURM_JOB_ID", "81"}};
const std::map<std::string, std::string> open_mpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                                                     {"OMPI_COMM_WORLD_SIZE", "2"},
                                                     {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                     {"PMIX_NAMESPACE", "1721761793"}};

std::map<std::string, std::string> with(std::map<std::string, std::string> variables, const std::map<std::string, std::string>& changes) {
  for (const auto& [name, value] : changes) variables[name] = value;
  return variables;
}

}  // namespace

TEST_CASE("launch: a process that nothing was said to is alone") {
  CHECK(launch({}).alone());
  CHECK(launch({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).alone());
}

TEST_CASE("launch: torchrun") {
  const auto found = launch({{"RANK", "3"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},
                             {"MASTER_ADDR", "n2"},
                             {"MASTER_PORT", "2345"},
                             {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                             {"TORCHELASTIC_RESTART_COUNT", "2"}});
  CHECK(found.rank == 3);
  CHECK(found.size == 4);
  CHECK(found.local_rank == 1);
  CHECK(found.address == "n2");
  CHECK(found.port == 2345);
  CHECK(found.agent);
  CHECK(found.attempt == "2");
  CHECK(found.launcher == "torchrun");
}

TEST_CASE("launch: a step of Slurm, not its batch script") {
  const auto found = launch(step);
  CHECK(found.rank == 1);
  CHECK(found.size == 2);
  CHECK(found.local_rank == 1);
  CHECK(found.address == "127.0.0.1");
  CHECK(found.launcher == "Slurm");
  CHECK(found.port == launch(with(step, {{"SLURM_PROCID", "0"}})).port);
  CHECK(found.port != launch(with(step, {{"SLURM_STEP_ID", "1"}})).port);
  CHECK(found.port != launch(with(step, {{"SLURM_JOB_ID", "82"}})).port);
  const auto spread = launch(with(
      step,
      {{"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_NODELIST", "n[07-08]"}, {"SLURM_STEP_TASKS_PER_NODE", "1(x2)"}, {"SLURM_GTIDS", "1"}}));
  CHECK(spread.address == "n07");
  // The script itself is one process, whatever SLURM_NTASKS says of the steps it may start.
  CHECK(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_JOB_ID", "81"}, {"SLURM_GTIDS", "0"}}).alone());
  // So is the script of a job that was submitted from within a step, whose variables it inherits.
  CHECK(launch(with(step, {{"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}, {"SLURM_GTIDS", "0"}})).alone());
  CHECK(launch(with(step, {{"MASTER_ADDR", "n9"}, {"MASTER_PORT", "77"}})).address == "n9");
}

TEST_CASE("launch: Open MPI, by itself and inside a job of Slurm") {
  for (const auto& variables : {open_mpi, with(step, open_mpi), with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}, open_mpi)}) {
    const auto found = launch(with(variables, {{"SLURM_PROCID", "0"}}));
    CHECK(found.rank == 1);
    CHECK(found.size == 2);
    CHECK(found.launcher == "mpirun");
    CHECK(found.address == "127.0.0.1");
  }
  CHECK(launch(open_mpi).port != launch(with(open_mpi, {{"PMIX_NAMESPACE", "1721761794"}})).port);
  const auto spread = with(open_mpi, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}});
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { launch(spread); }), "-x MASTER_ADDR="));
  CHECK(launch(with(spread, {{"MASTER_ADDR", "n1"}})).address == "n1");
}

TEST_CASE("launch: srun with PMI is Slurm's, Hydra's mpirun is not") {
  CHECK(launch(with(step, {{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}})).launcher == "Slurm");
  const std::map<std::string, std::string> hydra = {
      {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
  for (const auto& variables : {hydra, with(with(step, {{"SLURM_PROCID", "0"}}), hydra)}) {
    CHECK(launch(variables).launcher == "mpirun");
    CHECK(launch(variables).rank == 1);
  }
}

TEST_CASE("launch: values that cannot be") {
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { launch({{"RANK", "x"}, {"WORLD_SIZE", "2"}}); }), "RANK=x"));
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { launch({{"RANK", "2"}, {"WORLD_SIZE", "2"}}); }), "rank 2 of 2"));
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { launch({{"WORLD_SIZE", "2"}}); }), "WORLD_SIZE is set and RANK is not"));
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { launch({{"RANK", "0"}}); }), "RANK is set and WORLD_SIZE is not"));
  CHECK(launch({{"WORLD_SIZE", "1"}}).alone());
  CHECK(test::contains(test::error_of(core::Exit::usage,
                                      [] {
                                        launch({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "99999"}});
                                      }),
                       "MASTER_PORT=99999"));
}

TEST_CASE("launch: the first host of a list") {
  CHECK(dist::first_host("n1") == "n1");
  CHECK(dist::first_host("n1,n2") == "n1");
  CHECK(dist::first_host("n[03-05,9],m1") == "n03");
  CHECK(dist::first_host("rack[1,3]-n") == "rack1-n");
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { dist::first_host("n[3"); }), "n[3"));
}
