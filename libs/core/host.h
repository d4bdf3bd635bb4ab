// The machine that a process runs on.
#pragma once

#include <string>

namespace selfsight::core {

/// Its name; "unknown host" where the system gives none.
std::string host_name();

}  // namespace selfsight::core
