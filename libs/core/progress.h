// Progress of a long loop: a bar when stderr is a terminal, a plain line every few seconds when it is not.
#pragma once

#include <cstdint>
#include <string>

namespace selfsight::core {

class Progress {
 public:
  /// `unit` names what is counted ("images", "steps"); `total` 0 means unknown.
  Progress(std::string title, std::int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Advances by `count`; `note` is free text behind the rate ("loss 5.81, data wait 2 %").
  void advance(std::int64_t count, const std::string& note = {});
  /// Draws the final state and ends the line; the destructor does it otherwise.
  void finish();

 private:
  void draw(bool last);

  std::string title_, unit_, note_;
  std::int64_t total_, done_ = 0;
  double started_, drawn_ = 0;
  bool terminal_, finished_ = false;
};

/// Seconds of a monotonic clock.
double monotonic_seconds();

}  // namespace selfsight::core
