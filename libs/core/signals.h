// SIGTERM, SIGINT and SIGUSR1 as a flag that loops ask for: a batch job's end becomes a checkpoint, not lost work.
#pragma once

namespace selfsight::core {

/// From now on the three signals only raise the flag; a second SIGINT ends the program at once. One that came before, while it was blocked
/// (`env --block-signal=USR1 ssl-pretrain ...`), raises it now.
void catch_stop_signals();
/// The signal that asked to stop, or 0.
int stop_signal() noexcept;
/// Raises the flag from within (time limit, tests).
void request_stop(int signal) noexcept;

}  // namespace selfsight::core
