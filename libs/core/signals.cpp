#include "core/signals.h"

#include <unistd.h>
#include <atomic>
#include <csignal>
#include <initializer_list>

namespace selfsight::core {

namespace {

std::atomic<int> stop{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use nothing else");

void on_signal(int signal) {
  if (signal == SIGINT && stop == SIGINT) ::_exit(128 + SIGINT);  // asked twice at the keyboard: at once
  stop = signal;
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigset_t caught;
  sigemptyset(&caught);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    ::sigaction(signal, &action, nullptr);
    sigaddset(&caught, signal);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &caught, nullptr);
}

int stop_signal() noexcept { return stop; }

void request_stop(int signal) noexcept { stop = signal; }

}  // namespace selfsight::core
