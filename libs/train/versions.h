// What --version of the tensor tools adds.
#pragma once

#include <string>

namespace selfsight::train {

/// "LibTorch 2.11.0 ...", one line for each library.
std::string versions();

}  // namespace selfsight::train
