#include "core/options.h"

#include "core/error.h"
#include "core/registry.h"

#include <nlohmann/json.hpp>

#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>

namespace selfsight::core {

using nlohmann::json;

namespace {

constexpr std::string_view environment_prefix = "SELFSIGHT_";

/// What a value of the type is called in messages.
template <class T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::int64_t>) return "a whole number";
  if constexpr (std::is_same_v<T, std::uint64_t>) return "a whole number that is not negative";
  if constexpr (std::is_same_v<T, double>) return "a number";
  return "text";
}

/// "" when `text` was read, else what it is not.
template <class T>
std::string parse(const std::string& text, T& out) {
  std::string no = std::string("is not ") + type_name<T>();
  if constexpr (std::is_same_v<T, std::string>) {
    out = text;
    return "";
  } else if constexpr (std::is_same_v<T, bool>) {
    const bool yes = text == "true" || text == "1" || text == "yes" || text == "on";
    out = yes;
    return yes || text == "false" || text == "0" || text == "no" || text == "off" ? "" : no;
  } else {
    const bool plus = text.starts_with('+') && !text.starts_with("+-");
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + (plus ? 1 : 0), last, out);
    if (error == std::errc::result_out_of_range && end == last) return "is too large or too small a number";
    if constexpr (std::is_same_v<T, double>)
      if (!std::isfinite(out)) return no;
    return error == std::errc{} && end == last ? "" : no;
  }
}

template <class T>
bool convert(const json& value, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) return false;
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return false;
  } else if constexpr (std::is_same_v<T, double>) {
    if (!value.is_number()) return false;
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<std::int64_t>() < 0)) return false;
  } else {
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}))
      return false;
  }
  out = value.get<T>();
  return true;
}

template <class T>
struct element_of {
  using type = T;
  static constexpr bool list = false;
};
template <class T>
struct element_of<std::vector<T>> {
  using type = T;
  static constexpr bool list = true;
};

template <class T>
constexpr const char* metavar_of = std::is_same_v<T, std::string> ? "TEXT"
                                   : std::is_same_v<T, double>    ? "X"
                                   : std::is_same_v<T, bool>      ? ""
                                                                  : "N";

std::string show(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    std::string out;
    for (const auto& item : value) out += (out.empty() ? "" : ",") + show(item);
    return out;
  }
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  return value.dump();
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace

Option::Option(std::string name, OptionTarget target, std::string help, std::string group)
    : name_(std::move(name)), target_(target), help_(std::move(help)), group_(std::move(group)) {
  take_default();
  std::visit(
      [this](auto* field) {
        metavar_ = metavar_of<typename element_of<std::remove_pointer_t<decltype(field)>>::type>;
        if (element_of<std::remove_pointer_t<decltype(field)>>::list) metavar_ += ",...";
      },
      target_);
}

void Option::take_default() { default_text_ = show(value()); }

Option& Option::range(double low, double high) {
  bounded_ = true;
  low_ = low;
  high_ = high;
  return *this;
}
Option& Option::choices(std::vector<std::string> values) {
  choices_ = std::move(values);
  return *this;
}
Option& Option::letter(char c) {
  letter_ = c;
  return *this;
}
Option& Option::metavar(std::string name) {
  metavar_ = std::move(name);
  return *this;
}
Option& Option::runtime() {
  runtime_ = true;
  return *this;
}
Option& Option::distinct() {
  distinct_ = true;
  return *this;
}
Option& Option::written() {
  written_ = true;
  return *this;
}
Option& Option::only_with(std::string other, std::vector<std::string> values) {
  other_ = std::move(other);
  other_values_ = std::move(values);
  unless_ = false;
  return *this;
}
Option& Option::only_without(std::string other) {
  only_with(std::move(other));
  unless_ = true;
  return *this;
}
Option& Option::reads_manifest() {
  manifest_ = true;
  return *this;
}

std::string Option::condition() const {
  if (other_.empty()) return "";
  return fmt::format("--{}{}{}", other_, other_values_.empty() ? "" : " ", fmt::join(other_values_, " or "));
}

bool Option::is_list() const {
  return std::visit([](auto* field) { return element_of<std::remove_pointer_t<decltype(field)>>::list; }, target_);
}

std::string Option::environment_name() const {
  std::string out(environment_prefix);
  for (const char c : name_) out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string Option::allowed() const {
  if (!choices_.empty()) return fmt::format("{}", fmt::join(choices_, ", "));
  if (!bounded_) return "";
  return std::isinf(high_) ? fmt::format("{} or more", low_) : fmt::format("{} to {}", low_, high_);
}

json Option::value() const {
  return std::visit([](auto* field) { return json(*field); }, target_);
}

void Option::check(const json& value, const std::string& place) const {
  const auto refuse = [&](const json& item) { fail(Exit::usage, "{}: '{}' is not allowed (allowed: {})", place, show(item), allowed()); };
  for (const auto& item : value.is_array() ? value : json::array({value})) {
    if (!choices_.empty() && std::find(choices_.begin(), choices_.end(), item.get<std::string>()) == choices_.end()) refuse(item);
    if (bounded_ && item.is_number() && !(item.get<double>() >= low_ && item.get<double>() <= high_)) refuse(item);
  }
  for (auto item = value.begin(); distinct_ && item != value.end(); ++item)
    if (std::find(value.begin(), item, *item) != item) fail(Exit::usage, "{}: '{}' is given twice", place, show(*item));
}

void Option::set_text(const std::string& text, const std::string& origin) {
  std::visit(
      [&](auto* field) {
        using T = std::remove_pointer_t<decltype(field)>;
        T made{};
        const auto take = [&](const std::string& part, auto& out) {
          const std::string fault = parse(part, out), range = allowed();
          if (!fault.empty()) fail(Exit::usage, "{}: '{}' {}{}", origin, part, fault, range.empty() ? "" : " (allowed: " + range + ")");
        };
        if constexpr (element_of<T>::list) {
          for (const auto& part : split_list(text)) {
            typename element_of<T>::type element{};
            take(part, element);
            made.push_back(std::move(element));
          }
        } else {
          take(text, made);
        }
        check(json(made), origin);
        *field = std::move(made);
      },
      target_);
}

void Option::set_json(const json& value, const std::string& origin) {
  const std::string place = fmt::format("{}: {}", origin, name_);
  std::visit(
      [&](auto* field) {
        using T = std::remove_pointer_t<decltype(field)>;
        T made{};
        const auto take = [&](const json& part, auto& out) {
          const std::string range = allowed();
          if (!convert(part, out))
            fail(Exit::usage, "{}: {} is not {}{}", place, part.dump(), type_name<std::remove_reference_t<decltype(out)>>(),
                 range.empty() ? "" : " (allowed: " + range + ")");
        };
        if constexpr (element_of<T>::list) {
          if (!value.is_array()) fail(Exit::usage, "{}: {} is not a list", place, value.dump());
          for (const auto& part : value) {
            typename element_of<T>::type element{};
            take(part, element);
            made.push_back(std::move(element));
          }
        } else {
          take(value, made);
        }
        check(json(made), place);
        *field = std::move(made);
      },
      target_);
}

Options& Options::group(std::string heading) {
  group_ = std::move(heading);
  return *this;
}

Option& Options::add(const std::string& name, OptionTarget target, const std::string& help) {
  if (find(name) != nullptr) fail(Exit::internal, "the option --{} is described twice", name);
  return options_.emplace_back(name, target, help, group_);
}

Option* Options::find(const std::string& name) {
  const auto it = std::find_if(options_.begin(), options_.end(), [&](const Option& option) { return option.name() == name; });
  return it == options_.end() ? nullptr : &*it;
}

bool Options::has_effect(const Option& option) const {
  if (option.other_.empty()) return true;
  const auto other = std::find_if(options_.begin(), options_.end(), [&](const Option& one) { return one.name() == option.other_; });
  if (other == options_.end()) fail(Exit::internal, "--{} depends on --{}, which is not described", option.name(), option.other_);
  if (!option.unless_ && !has_effect(*other)) return false;
  const json value = other->value();
  const auto& values = option.other_values_;
  const auto among = [&](const json& one) { return std::find(values.begin(), values.end(), show(one)) != values.end(); };
  if (!values.empty()) return value.is_array() ? std::any_of(value.begin(), value.end(), among) : among(value);
  const bool set = value != json(false) && value != json("") && value != json(0) && value != json::array();
  return set != option.unless_;
}

std::string Options::suggestion(const std::string& wrong, const std::vector<std::string>& others) const {
  std::vector<std::string> known = others;
  for (const auto& option : options_) known.push_back(option.name());
  const std::string near = nearest_name(wrong, known);
  return near.empty() ? "" : fmt::format(" (did you mean --{}?)", near);
}

void Options::set_json(const json& object, const std::string& origin) {
  if (!object.is_object()) fail(Exit::usage, "{}: options must be a JSON object, {{\"name\": value, ...}}", origin);
  for (const auto& [name, value] : object.items()) {
    Option* option = find(name);
    if (option == nullptr) fail(Exit::usage, "{}: there is no option '{}'{}", origin, name, suggestion(name));
    option->set_json(value, origin);
  }
}

void Options::set_environment() {
  for (auto& option : options_)
    if (const char* text = std::getenv(option.environment_name().c_str())) option.set_text(text, option.environment_name());
}

std::vector<std::string> Options::unknown_environment() const {
  // Read by third_party/setup and CMake, which a shell may have them exported for.
  std::vector<std::string> known = {"SELFSIGHT_DEPS", "SELFSIGHT_CUDA", "SELFSIGHT_ARCH", "SELFSIGHT_WERROR", "SELFSIGHT_SANITIZE"};
  std::vector<std::string> ends;  // all share the prefix: what is near is told by the rest
  for (const auto& option : options_) {
    known.push_back(option.environment_name());
    ends.push_back(known.back().substr(environment_prefix.size()));
  }
  std::vector<std::string> out;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry = *at;
    if (!entry.starts_with(environment_prefix)) continue;
    const std::string name(entry.substr(0, entry.find('=')));
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest_name(name.substr(environment_prefix.size()), ends);
    out.push_back(near.empty() ? name : fmt::format("{} (did you mean {}{}?)", name, environment_prefix, near));
  }
  std::sort(out.begin(), out.end());
  return out;
}

json Options::values(bool identity_only) const {
  json out = json::object();
  for (const auto& option : options_)
    if (!identity_only || !option.is_runtime()) out[option.name()] = option.value();
  return out;
}

}  // namespace selfsight::core
