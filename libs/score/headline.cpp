#include "score/headline.h"

#include "core/log.h"

#include <cmath>

namespace selfsight::score {

void say_headline(const std::string& whose, const std::vector<Figure>& figures, const std::string& of_what) {
  std::string text;
  for (const Figure& figure : figures) {
    text += (text.empty() ? "" : ", ") + figure.name + " ";
    if (std::isnan(figure.value))
      text += "not defined";
    else
      text += figure.unit == "%" ? fmt::format("{:.1f} %", figure.value) : fmt::format("{:.4g}", figure.value);
  }
  core::log_info("{}{}{} ({})", whose, whose.empty() ? "" : ": ", text, of_what);
}

}  // namespace selfsight::score
