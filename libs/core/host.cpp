#include "core/host.h"

#include <unistd.h>

namespace selfsight::core {

std::string host_name() {
  char name[256] = "";
  const bool told = ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0';
  return told ? name : "unknown host";
}

}  // namespace selfsight::core
