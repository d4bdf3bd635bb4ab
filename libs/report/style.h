// The page's look: one style sheet with a light and a dark scheme, and the few lines of script for the legend of a map.
#pragma once

#include <string_view>

namespace selfsight::report {

/// Series and classes are drawn in this many colours (--c0 ... --c9), chosen to stay apart for the common kinds of colour blindness;
/// dashes and shapes tell them apart without colour.
inline constexpr int colours = 10;

std::string_view style_text();
std::string_view script_text();

}  // namespace selfsight::report
