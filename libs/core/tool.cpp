#include "core/tool.h"

#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/registry.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>

namespace selfsight::core {

using nlohmann::json;

namespace {

constexpr std::size_t help_width = 100;

bool is_help(const std::string& argument) { return argument == "--help" || argument == "-h" || argument == "--version"; }

/// Breaks `text` into lines of at most `width`, each after the first behind `indent` blanks; keeps line breaks of its own.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (column > 0 && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    if (end < text.size() && text[end] == '\n') {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    }
    begin = end + 1;
  }
  return out;
}

std::string option_line(const Option& option) {
  std::string left = option.letter() != 0 ? fmt::format("  -{}, ", option.letter()) : "      ";
  left += option.is_flag() ? "--[no-]" + option.name() : fmt::format("--{} {}", option.name(), option.metavar());
  std::string right = option.help();
  if (const std::string condition = option.condition(); !condition.empty())
    right += (option.only_unless() ? "; only without " : "; only with ") + condition;
  if (const std::string allowed = option.allowed(); !allowed.empty()) right += " (" + allowed + ")";
  if (!option.default_text().empty()) right += " [" + option.default_text() + "]";
  constexpr std::size_t column = 34;
  left += left.size() + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - left.size(), ' ');
  return left + wrapped(right, column, help_width - column) + "\n";
}

/// An option that the command line gives, and its text.
struct Given {
  Option* option;
  std::string text;
};

/// Takes the arguments apart; what is no option goes to `positionals`. Error: usage.
std::vector<Given> take_apart(Options& options, const std::vector<std::string>& arguments, std::vector<std::string>& positionals) {
  struct Slot {
    Option* option;
    std::vector<std::string> texts;
    CLI::Option* parsed = nullptr;
  };
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::deque<Slot> slots;  // CLI11 keeps references to the texts
  for (auto& option : options.all()) {
    Slot& slot = slots.emplace_back(Slot{&option, {}});
    const std::string letter = option.letter() != 0 ? fmt::format("-{},", option.letter()) : "";
    if (option.is_flag()) {
      slot.parsed = app.add_flag(fmt::format("{0}--{1},!--no-{1}", letter, option.name()), slot.texts);
    } else {
      slot.parsed = app.add_option(fmt::format("{}--{}", letter, option.name()), slot.texts)
                        ->expected(1)
                        ->allow_extra_args(false);  // nor may CLI11 read [a,b] as a list
    }
    slot.parsed->multi_option_policy(option.is_list() ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    fail(Exit::usage, "{}: a value is missing", text.substr(0, text.find(':')));
  } catch (const CLI::ParseError& error) {
    fail(Exit::usage, "{}", error.what());
  }
  bool only_positionals = false;
  for (const auto& extra : app.remaining()) {
    if (extra == "--" && !only_positionals) {
      only_positionals = true;
    } else if (extra.size() > 1 && extra.starts_with('-') && !only_positionals) {
      const std::size_t name = extra.find_first_not_of('-');
      fail(Exit::usage, "unknown option '{}'{}; --help lists all", extra,
           name == std::string::npos ? "" : options.suggestion(extra.substr(name, extra.find('=') - name), {"help", "version"}));
    } else {
      positionals.push_back(extra);
    }
  }
  std::vector<Given> given;
  for (const auto& slot : slots)
    if (slot.parsed->count() > 0) given.push_back({slot.option, fmt::format("{}", fmt::join(slot.texts, ","))});
  return given;
}

}  // namespace

CommandLine::CommandLine(ToolInfo info, int argc, char** argv) : info_(std::move(info)), argv_(argv, argv + argc) {
  if (argc > 1) rest_.assign(argv + 1, argv + argc);
}

CommandLine::~CommandLine() = default;

std::string CommandLine::take_word() {
  if (rest_.empty() || rest_.front().starts_with('-')) return "";
  word_ = rest_.front();
  rest_.erase(rest_.begin());
  return word_;
}

std::string CommandLine::take_verb(const std::vector<std::string>& verbs) {
  std::string word = take_word();
  if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return word;
  if (wants_help()) return verbs.front();
  const std::string near = verbs.size() == 1 ? verbs.front() : nearest_name(word, verbs);
  const std::string hint = near.empty() ? "" : fmt::format("; did you mean '{} {}'?", info_.name, near);
  if (word.empty()) fail(Exit::usage, "give a verb: {}{} (usage: {})", fmt::join(verbs, ", "), hint, info_.usage);
  fail(Exit::usage, "'{}' is no verb of {}{} (usage: {})", word, info_.name, hint, info_.usage);
}

bool CommandLine::wants_help() const { return argv_.size() > 1 && std::any_of(argv_.begin() + 1, argv_.end(), is_help); }

void CommandLine::set_profile(const json& values, const std::string& name) {
  profile_ = std::make_unique<json>(values);
  profile_name_ = name;
}

std::string CommandLine::peek(const std::string& option) const {
  const std::string flag = "--" + option;
  std::string found;
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    if (rest_[i] == flag && i + 1 < rest_.size()) found = rest_[i + 1];
    if (rest_[i].starts_with(flag + "=")) found = rest_[i].substr(flag.size() + 1);
  }
  return found;
}

void CommandLine::apply_profile() {
  if (!profile_) return;
  options_.set_json(*profile_, profile_name_);
  for (auto& option : options_.all()) option.take_default();
}

void CommandLine::drop_identity(json& config) const {
  const auto is_option = [&](const std::string& name) {
    return std::any_of(options_.all().begin(), options_.all().end(), [&](const Option& option) { return option.name() == name; });
  };
  if (!config.is_object() || word_.empty()) return;
  if (!is_option("dataset")) config.erase("dataset");
  for (auto& [name, value] : config.items())  // a manifest that an option names
    if (is_option(name) && value.is_object() && value.contains("path") && value.contains("digest")) value = json(value.at("path"));
  if (is_option("method") || !config.contains("method") || !config["method"].is_string()) return;
  std::string method = config["method"].get<std::string>();
  if (const std::size_t open = method.rfind('('); open != std::string::npos)  // a modifier names what it is around: "adainf(moco)"
    method = method.substr(open + 1, method.find(')', open) - open - 1);
  if (method != word_)
    fail(Exit::usage, "{}: is the configuration of a run of {}, not of {}; take \"method\" out of it to use it all the same", config_file_,
         config["method"].get<std::string>(), word_);
  config.erase("method");
}

void CommandLine::apply_config() {
  if (config_file_.empty())
    if (const char* file = std::getenv("SELFSIGHT_CONFIG")) config_file_ = file;
  if (config_file_.empty()) return;
  try {
    json config = json::parse(read_text(config_file_));
    drop_identity(config);
    options_.set_json(config, config_file_);
  } catch (const json::parse_error& error) {
    fail(Exit::usage, "{}: is not JSON (fault at byte {})", config_file_, error.byte);
  } catch (const json::exception& error) {  // a number beyond all numbers
    fail(Exit::usage, "{}: is not JSON: {}", config_file_, error.what());
  }
}

void CommandLine::parse() {
  options_.group("General");
  options_
      .add("config", &config_file_, "JSON file of options, {\"name\": value}; SELFSIGHT_NAME variables and the command line win over it")
      .metavar("FILE")
      .runtime();
  options_.add("quiet", &quiet_, "only warnings and errors on stderr").runtime();
  options_.add("verbose", &verbose_, "more on stderr").runtime();
  apply_profile();

  if (std::find(rest_.begin(), rest_.end(), "--version") != rest_.end()) {
    write_stdout(fmt::format("{} of {}\n{}{}", info_.name, version_text(), info_.versions,
                             info_.versions.empty() || info_.versions.ends_with('\n') ? "" : "\n"));
    throw HelpShown{};
  }
  if (wants_help()) {
    write_stdout(help());
    throw HelpShown{};
  }

  const std::vector<Given> given = take_apart(options_, rest_, positionals_);
  const auto from_command_line = [](const Given& slot) { slot.option->set_text(slot.text, "--" + slot.option->name()); };
  for (const auto& slot : given)
    if (slot.option->name() == "config") from_command_line(slot);
  apply_config();
  options_.set_environment();
  for (const auto& slot : given) from_command_line(slot);
  set_log_level(quiet_ ? Level::warning : verbose_ ? Level::debug : Level::info);
  for (const auto& [option, text] : given) {
    given_.push_back(option->name());
    if (option->is_written() && text.empty()) fail(Exit::usage, "--{}: '' is no name of a file", option->name());  // an unset variable
    if (!options_.has_effect(*option))
      fail(Exit::usage, "--{}: has no effect {} {}", option->name(), option->only_unless() ? "with" : "without", option->condition());
  }
  // A file of that name would be a nuisance to remove; whoever writes "-" means stdout, where the manifest goes anyway.
  for (const auto& option : options_.all())
    if (option.is_written() && option.value() == "-")
      fail(Exit::usage, "--{}: '-' is no name of a file; the manifest is printed to stdout in any case (./- is a file named '-')",
           option.name());
  if (const auto unknown = options_.unknown_environment(); !unknown.empty())
    log_warning("no option of {}, so passed over: {}", info_.name, fmt::join(unknown, ", "));
}

const std::vector<std::string>& CommandLine::positionals(std::size_t most) const {
  if (positionals_.size() > most) fail(Exit::usage, "too many arguments: '{}' (usage: {})", positionals_[most], info_.usage);
  return positionals_;
}

std::string CommandLine::input() const {
  if (!positionals(1).empty()) return positionals_.front();
  if (::isatty(STDIN_FILENO) == 1) fail(Exit::usage, "nothing to read: name a manifest or pipe one in (usage: {})", info_.usage);
  return "-";
}

std::string CommandLine::help() const {
  std::string out = wrapped(info_.purpose, 0, help_width) + "\n\nUsage: " + info_.usage + "\n\nExamples:\n";
  for (const auto& example : info_.examples) out += "  " + example + "\n";
  std::string group = "\n";
  for (const auto& option : options_.all()) {
    if (option.group() != group) {
      group = option.group();
      out += "\n" + (group.empty() ? std::string("Options") : group) + ":\n";
    }
    out += option_line(option);
  }
  out +=
      "  -h, --help                      this text\n      --version                   versions of the program and of what it is built on\n";
  if (!info_.see_also.empty()) out += fmt::format("\nSee also: {}\n", fmt::join(info_.see_also, ", "));
  return out;
}

namespace {

/// A standard descriptor that was closed would be the next file's, and what is printed would be written into that. It becomes one that
/// nothing can be written to or read from.
void keep_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      static_cast<void>(::open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR));
}

}  // namespace

int run_tool(int argc, char** argv, ToolInfo info, const std::function<void(CommandLine&)>& body) {
  keep_standard_descriptors();
  set_log_tool(info.name);
  ::prctl(PR_SET_NAME, info.name.c_str());  // a program that has started itself anew (train/processors.cpp) would be called "exe"
  std::setvbuf(stderr, nullptr, _IOLBF, 0);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is no error, and must not cut off what is still to be written to files
  const auto report = [](Exit exit, const std::string& message) {
    set_bar("");
    log_line(exit == Exit::interrupted ? Level::warning : Level::error, message);
    return static_cast<int>(exit);
  };
  try {
    CommandLine cli(std::move(info), argc, argv);
    if (argc <= 1 && ::isatty(STDIN_FILENO) == 1) {
      fmt::print(stderr, "Usage: {}\n--help tells more.\n", cli.info().usage);
      return static_cast<int>(Exit::usage);
    }
    body(cli);
    return static_cast<int>(Exit::ok);
  } catch (const HelpShown&) {
    return static_cast<int>(Exit::ok);
  } catch (const Error& error) {
    return report(error.exit(), error.what());
  } catch (const fs::filesystem_error& error) {
    return report(error.code() == std::errc::no_such_file_or_directory ? Exit::no_input : Exit::io,
                  fmt::format("{}: {}", error.path1().string(), error.code().message()));
  } catch (const std::bad_alloc&) {
    if (const auto bound = memory_bound(); bound > 0)
      return report(Exit::usage, fmt::format("this work does not fit into --max-memory {}", bytes_text(bound)));
    return report(Exit::internal, "internal error: out of memory");
  } catch (const std::exception& error) {
    return report(Exit::internal, fmt::format("internal error: {}", error.what()));
  }
}

std::string version_number() { return SELFSIGHT_VERSION; }
std::string version_text() { return "selfsight " SELFSIGHT_VERSION " (" SELFSIGHT_BUILD ")"; }

}  // namespace selfsight::core
