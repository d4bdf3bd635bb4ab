// The page of methods, made from what each says of itself.
#pragma once

#include <string>

namespace selfsight::train {

/// Every registered method and modifier: "text", "json", or "markdown" as the README has it.
std::string list_methods(const std::string& format);

}  // namespace selfsight::train
