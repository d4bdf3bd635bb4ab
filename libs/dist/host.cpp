#include "dist/host.h"

#include "core/error.h"
#include "core/host.h"

#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>
#include <csignal>
#include <fstream>

namespace selfsight::dist {

namespace {

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

std::string link_of(const char* path) {
  char target[256];
  const auto length = ::readlink(path, target, sizeof target);
  return length < 0 ? "" : std::string(target, static_cast<std::size_t>(length));
}

}  // namespace

Host this_host() {
  Host host;
  host.name = core::host_name();
  host.place = first_line("/proc/sys/kernel/random/boot_id") + link_of("/proc/self/ns/pid");
  host.process = ::getpid();
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) host.processors += std::to_string(i) + ",";
  return host;
}

std::string to_text(const Host& host) { return nlohmann::json{host.name, host.place, host.processors, host.process}.dump(); }

Host host_from(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    return {json.at(0), json.at(1), json.at(2), json.at(3)};
  } catch (const nlohmann::json::exception& error) {
    core::fail(core::Exit::internal, "what a rank says of its host cannot be read: {}", error.what());
  }
}

bool is_gone(const Host& host) {
  static const std::string here = this_host().place;
  if (host.place != here) return false;
  if (::kill(host.process, 0) != 0) return errno == ESRCH;
  // A process that nobody has waited for yet is still in the list.
  const std::string text = first_line("/proc/" + std::to_string(host.process) + "/stat");
  const auto after_name = text.rfind(')');
  return after_name != std::string::npos && after_name + 2 < text.size() && (text[after_name + 2] == 'Z' || text[after_name + 2] == 'X');
}

std::string address_towards(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  std::string out;
  for (const addrinfo* at = found; at != nullptr && out.empty(); at = at->ai_next) {
    const int socket = ::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char name[NI_MAXHOST];
    if (::connect(socket, at->ai_addr, at->ai_addrlen) == 0 && ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), length, name, sizeof name, nullptr, 0, NI_NUMERICHOST) == 0)
      out = name;
    ::close(socket);
  }
  ::freeaddrinfo(found);
  return out;
}

}  // namespace selfsight::dist
