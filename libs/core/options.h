// Options, described once. From one description come the parser, the range check, the help text, the environment variable,
// the JSON of a --config file and the resolved configuration that is saved with a run.
//
//   struct SimclrOptions {
//     double temperature = 0.5;                                  // the default is the field's value
//     void describe(core::Options& o) { o.add("temperature", &temperature, "tau of NT-Xent").range(0.001, 10); }
//   };
//
// Values are set in layers, later ones winning: default < profile < --config FILE < SELFSIGHT_NAME < command line.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace selfsight::core {

using OptionTarget = std::variant<bool*, std::int64_t*, std::uint64_t*, double*, std::string*, std::vector<std::int64_t>*,
                                  std::vector<double>*, std::vector<std::string>*>;

/// One option: made by Options::add, refined by its chained setters.
class Option {
 public:
  Option(std::string name, OptionTarget target, std::string help, std::string group);

  /// Both ends included; for numbers and lists of numbers.
  Option& range(double low, double high = std::numeric_limits<double>::infinity());
  /// The only values allowed; for strings and lists of strings.
  Option& choices(std::vector<std::string> values);
  /// One-letter form (-o).
  Option& letter(char c);
  /// What the value is called in the help ("FILE", "N"); a default is chosen by type.
  Option& metavar(std::string name);
  /// Does not change the result (workers, log intervals, device): may differ when a run is resumed, and is no part of its identity.
  Option& runtime();
  /// A list in which nothing may stand twice.
  Option& distinct();
  /// The name of a file or folder that is written: neither "" nor "-" is one.
  Option& written();
  /// Has an effect only while the option `other` has one of `values`, or without these is set (a flag), not empty, not 0. To give it on
  /// the command line otherwise is a usage error; a --config or the environment, which may serve several commands, may hold it.
  Option& only_with(std::string other, std::vector<std::string> values = {});
  /// The other way round: has no effect while `other` is set.
  Option& only_without(std::string other);
  /// Names a manifest that is read beside the main input: what it says is part of the identity, not where it lies.
  Option& reads_manifest();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& help() const { return help_; }
  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] char letter() const { return letter_; }
  [[nodiscard]] bool is_runtime() const { return runtime_; }
  [[nodiscard]] bool is_written() const { return written_; }
  [[nodiscard]] bool is_manifest() const { return manifest_; }
  /// What only_with() or only_without() named, "--protocol auto or tvsum"; "" when nothing.
  [[nodiscard]] std::string condition() const;
  /// Whether it is only_without().
  [[nodiscard]] bool only_unless() const { return unless_; }
  [[nodiscard]] bool is_flag() const { return std::holds_alternative<bool*>(target_); }
  [[nodiscard]] bool is_list() const;
  [[nodiscard]] std::string environment_name() const;
  /// "0.001 to 10" or "adamw, lars, sgd"; "" when everything of the type is allowed.
  [[nodiscard]] std::string allowed() const;
  /// The default as the help shows it: the value when the option was added, or when take_default() was called last.
  [[nodiscard]] const std::string& default_text() const { return default_text_; }
  void take_default();
  /// "N", "X", "TEXT", with ",..." for lists, unless metavar(name) said otherwise.
  [[nodiscard]] const std::string& metavar() const { return metavar_; }

  /// Parses, checks and assigns. `origin` says where the text came from ("--lr", "SELFSIGHT_LR"). Lists are comma-separated.
  /// Error: usage, naming origin, value and what is allowed. On error the target keeps its value.
  void set_text(const std::string& text, const std::string& origin);
  void set_json(const nlohmann::json& value, const std::string& origin);
  [[nodiscard]] nlohmann::json value() const;

 private:
  friend class Options;
  /// Error: usage, unless `value` is within the range or among the choices, and without repetition where that is asked for.
  void check(const nlohmann::json& value, const std::string& place) const;

  std::string name_;
  OptionTarget target_;
  std::string help_, group_, metavar_, default_text_;
  char letter_ = 0;
  bool runtime_ = false, bounded_ = false, distinct_ = false, written_ = false, manifest_ = false;
  double low_ = 0, high_ = 0;
  std::vector<std::string> choices_;
  std::string other_;  ///< of only_with() and only_without()
  std::vector<std::string> other_values_;
  bool unless_ = false;  ///< the latter
};

/// A set of options bound to the fields of options structs, which must outlive it.
class Options {
 public:
  /// Options added from here on stand under this heading in the help.
  Options& group(std::string heading);
  /// Adds an option named --name; names are kebab-case and unique.
  Option& add(const std::string& name, OptionTarget target, const std::string& help);
  [[nodiscard]] Option* find(const std::string& name);
  /// " (did you mean --NAME?)" for a name that is near a known one or one of `others`, else "".
  [[nodiscard]] std::string suggestion(const std::string& wrong, const std::vector<std::string>& others = {}) const;
  [[nodiscard]] const std::deque<Option>& all() const { return options_; }
  [[nodiscard]] std::deque<Option>& all() { return options_; }
  /// Whether the condition of only_with() or only_without() holds for this one; true without one.
  [[nodiscard]] bool has_effect(const Option& option) const;

  /// Assigns from an object {"name": value}. An unknown name is a usage error that gives the nearest known one.
  void set_json(const nlohmann::json& object, const std::string& origin);
  /// Assigns from SELFSIGHT_* variables that name an option of this set.
  void set_environment();
  /// SELFSIGHT_* variables that name no option of this set, each with the nearest that does: "SELFSIGHT_LABLES (did you mean
  /// SELFSIGHT_LABELS?)". Those that the build and its set-up read are left out.
  [[nodiscard]] std::vector<std::string> unknown_environment() const;
  /// Everything, as {"name": value}. `identity_only` leaves out options marked runtime().
  [[nodiscard]] nlohmann::json values(bool identity_only = false) const;

 private:
  std::deque<Option> options_;  // references stay valid
  std::string group_;
};

}  // namespace selfsight::core
