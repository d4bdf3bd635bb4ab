// Where a rank is, as the others need to know it.
#pragma once

#include <string>

namespace selfsight::dist {

struct Host {
  std::string name;        ///< for people
  std::string place;       ///< the same for processes that see each other's numbers: machine and namespace of processes
  std::string processors;  ///< those that the process may run on
  int process = 0;
};

Host this_host();
std::string to_text(const Host& host);
/// Error: internal for text of another kind.
Host host_from(const std::string& text);
/// True when it is known that there is no such process any more; of another host nothing is known.
bool is_gone(const Host& host);

/// This host's own address on the way to `host`; "" when there is none. Nothing is sent.
std::string address_towards(const std::string& host, int port);

}  // namespace selfsight::dist
