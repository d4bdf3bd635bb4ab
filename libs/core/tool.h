// The frame of every executable: usage, options, one manifest on stdout, an exit code.
#pragma once

#include "core/error.h"
#include "core/options.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::core {

/// What --help says beside the options.
struct ToolInfo {
  std::string name;                   ///< "ssl-linear"
  std::string purpose;                ///< one or two sentences
  std::string usage;                  ///< "ssl-linear [options] [MODEL.json|-]"
  std::vector<std::string> examples;  ///< at least two lines that can be pasted
  std::vector<std::string> see_also;  ///< other executables
  std::string versions;               ///< further lines of --version ("LibTorch 2.11.0"), set by tools that link more than core
};

/// A command line being taken apart: `TOOL [METHOD|VERB] [options] [MANIFEST|-]`.
class CommandLine {
 public:
  CommandLine(ToolInfo info, int argc, char** argv);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  [[nodiscard]] ToolInfo& info() { return info_; }
  /// The whole argv, as typed.
  [[nodiscard]] const std::vector<std::string>& argv() const { return argv_; }
  /// Takes the first argument when it is a word (METHOD or VERB); "" when it is an option or absent.
  std::string take_word();
  /// Takes the first argument, which must be one of `verbs`; where help is asked for it may be missing, and the first of them is taken.
  /// Error: usage, with what was probably meant.
  std::string take_verb(const std::vector<std::string>& verbs);
  /// True when --help, -h or --version is among the arguments.
  [[nodiscard]] bool wants_help() const;
  /// Describe into this before parse().
  Options& options() { return options_; }
  /// A layer between the defaults and --config: the values of a profile, which the help then shows as defaults. Applied by parse().
  void set_profile(const nlohmann::json& values, const std::string& name);
  /// Handles --help and --version (prints to stdout and throws HelpShown), then sets every option in the order of layers.
  /// --config, --quiet and --verbose are added to every tool. A config.json that a run of the tool saved is a --config as well: its
  /// "method" must be the word taken, and the digest of its "dataset" is passed over. Variables SELFSIGHT_* that name no option get a
  /// warning. Error: usage, also for an option on the command line that has no effect (Option::only_with).
  void parse();
  /// Value of an option given on the command line before parse() has run, or "" (to choose a profile, for example).
  [[nodiscard]] std::string peek(const std::string& option) const;
  /// The options that the command line itself gave, by name: known after parse().
  [[nodiscard]] const std::vector<std::string>& given() const { return given_; }
  /// What is left after the options; at most `most`, else a usage error.
  [[nodiscard]] const std::vector<std::string>& positionals(std::size_t most) const;
  /// The single input: the positional, or "-" when there is none and stdin is a pipe or file. Error: usage when there is neither.
  [[nodiscard]] std::string input() const;
  /// Help text as printed.
  [[nodiscard]] std::string help() const;

 private:
  void apply_profile();
  void apply_config();
  /// Takes what a run's config.json holds beside options out of `config`. Error: usage for another method than the word taken.
  void drop_identity(nlohmann::json& config) const;

  ToolInfo info_;
  std::string word_;
  std::vector<std::string> argv_, rest_, positionals_, given_;
  Options options_;
  std::unique_ptr<nlohmann::json> profile_;
  std::string profile_name_, config_file_;
  bool quiet_ = false, verbose_ = false;
};

/// Thrown by parse() after help or version text was printed; run_tool turns it into exit code 0.
struct HelpShown {};

/// Runs a tool's body with errors turned into one log line and an exit code. The only try/catch that a main needs.
int run_tool(int argc, char** argv, ToolInfo info, const std::function<void(CommandLine&)>& body);

/// "selfsight 0.1.0 (release, gcc 12.2.0)".
std::string version_text();
std::string version_number();

}  // namespace selfsight::core
