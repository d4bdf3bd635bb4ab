// Which of how many processes of one run this is, from the variables that a launcher sets.
#pragma once

#include <functional>
#include <string>

namespace selfsight::dist {

struct Launch {
  int rank = 0, size = 1;
  int local_rank = 0;    ///< among those of this host
  std::string address;   ///< host of rank 0; "" when size is 1
  int port = 0;          ///< where the ranks meet there
  bool agent = false;    ///< the launcher keeps the meeting place (torchrun), not rank 0
  std::string attempt;   ///< sets a start apart from the ones before at the same place
  std::string launcher;  ///< "torchrun", "mpirun", "Slurm"; "" when size is 1
  [[nodiscard]] bool alone() const { return size == 1; }
};

/// A variable of the environment; null when it is not set.
using Environment = std::function<const char*(const char* name)>;

/// torchrun's variables (RANK, WORLD_SIZE, ...), those of Open MPI and of MPICH's and Intel's Hydra (PMI_RANK ...), those of a Slurm step
/// (srun), in this order, for each may run inside the next. MASTER_ADDR and MASTER_PORT win over what Slurm and MPI say of the meeting
/// place. None of them, or a job of one process: a run of its own. Errors: usage for values that are no ranks, and for MPI processes on
/// several hosts without MASTER_ADDR.
Launch detect_launch(const Environment& environment);
Launch detect_launch();

/// The first host of a Slurm list: "n[03-05,9],m1" is "n03".
std::string first_host(const std::string& list);

}  // namespace selfsight::dist
