#include "core/options.h"

#include "core/tool.h"
#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

using namespace selfsight;
using namespace selfsight::core;
using nlohmann::json;
using selfsight::test::contains;
using selfsight::test::error_of;

namespace {

struct Everything {
  bool flag = false, on = true;
  std::int64_t count = 3;
  std::uint64_t seed = 0;
  double rate = 0.5;
  std::string mode = "fast", free;
  std::vector<std::int64_t> sizes = {1, 2};
  std::vector<double> weights;
  std::vector<std::string> names;

  void describe(Options& o) {
    o.group("First");
    o.add("flag", &flag, "a switch");
    o.add("on", &on, "a switch that is on");
    o.add("count", &count, "how many").range(-2, 10).letter('c');
    o.add("seed", &seed, "of all randomness");
    o.add("rate", &rate, "learning rate").range(0, 10);
    o.group("Second");
    o.add("mode", &mode, "how").choices({"fast", "slow"});
    o.add("free-text", &free, "anything").metavar("WORDS");
    o.add("sizes", &sizes, "of the layers").range(1, 100);
    o.add("weights", &weights, "of the parts").runtime();
    o.add("names", &names, "who").choices({"ann", "bob"});
  }
};

/// Sets an environment variable for the time of a test.
struct Variable {
  Variable(std::string name, const std::string& value) : name_(std::move(name)) { ::setenv(name_.c_str(), value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  std::string name_;
};

/// A command line typed as in a shell without quotes; '' stands for an empty argument.
struct Typed {
  Everything all;
  CommandLine cli;
  explicit Typed(const std::string& line) : Typed(words(line)) {}
  explicit Typed(std::vector<std::string> arguments) : cli(info(), static_cast<int>(arguments.size()), pointers(arguments).data()) {
    all.describe(cli.options());
  }

  static ToolInfo info() {
    return {.name = "tool",
            .purpose = "Shows how options work.",
            .usage = "tool [options] [FILE]",
            .examples = {"tool --rate 1", "tool -c 4"},
            .see_also = {"other"},
            .versions = "Library 1.2\n"};
  }
  static std::vector<std::string> words(const std::string& line) {
    std::istringstream in("tool " + line);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word == "''" ? "" : word);
    return out;
  }
  static std::vector<char*> pointers(std::vector<std::string>& arguments) {
    std::vector<char*> out;
    out.reserve(arguments.size() + 1);
    for (auto& argument : arguments) out.push_back(argument.data());
    out.push_back(nullptr);
    return out;
  }
};

Everything parsed(const std::string& line) {
  Typed typed(line);
  typed.cli.parse();
  return typed.all;
}

std::string refused(const std::string& line) {
  return error_of(Exit::usage, [&] { parsed(line); });
}

}  // namespace

TEST_CASE("every type of option is read from the command line, in every form") {
  CHECK(parsed("--flag").flag);
  CHECK_FALSE(parsed("--no-on").on);
  CHECK_FALSE(parsed("--on --no-on").on);
  CHECK(parsed("--no-on --on").on);
  CHECK(parsed("--flag=true").flag);
  CHECK_FALSE(parsed("--flag=false").flag);
  CHECK(parsed("--count 7").count == 7);
  CHECK(parsed("--count=7").count == 7);
  CHECK(parsed("-c 7").count == 7);
  CHECK(parsed("-c7").count == 7);
  CHECK(parsed("--count +7").count == 7);
  CHECK(parsed("--count -2").count == -2);
  CHECK(parsed("--count=-2").count == -2);
  CHECK(parsed("--count 1 --count 2").count == 2);
  CHECK(parsed("--seed 18446744073709551615").seed == 18446744073709551615u);
  CHECK(parsed("--rate 1e-3").rate == 1e-3);
  CHECK(parsed("--rate .25").rate == 0.25);
  CHECK(parsed("--mode slow").mode == "slow");
  CHECK(parsed("--free-text --rate").free == "--rate");
  CHECK(parsed("--free-text [a,b]").free == "[a,b]");
  CHECK(parsed("--free-text ''").free == "");
  CHECK(parsed("--free-text=a=b").free == "a=b");
  CHECK(parsed("--sizes 4,5,6").sizes == std::vector<std::int64_t>{4, 5, 6});
  CHECK(parsed("--sizes 4 --sizes 5").sizes == std::vector<std::int64_t>{4, 5});
  CHECK(parsed("--sizes ''").sizes.empty());
  CHECK(parsed("--weights 0.5,-1").weights == std::vector<double>{0.5, -1});
  CHECK(parsed("--names bob,ann").names == std::vector<std::string>{"bob", "ann"});
}

TEST_CASE("what is left are positionals, and - and -- mean what they mean elsewhere") {
  Typed typed("--rate 1 - -- --flag");
  typed.cli.parse();
  CHECK(typed.cli.positionals(2) == std::vector<std::string>{"-", "--flag"});
  CHECK(contains(error_of(Exit::usage, [&] { static_cast<void>(typed.cli.positionals(1)); }), "too many arguments: '--flag'"));
  Typed file("data.json --count 2");
  file.cli.parse();
  CHECK(file.cli.input() == "data.json");
  Typed word("simclr --count 2");
  CHECK(word.cli.take_word() == "simclr");
  CHECK(word.cli.take_word() == "");
  CHECK(word.cli.peek("count") == "2");
  CHECK(word.cli.peek("rate") == "");
  CHECK(Typed("--count=5").cli.peek("count") == "5");
}

TEST_CASE("a wrong value names the option, the value and what is allowed") {
  CHECK(refused("--rate abc") == "--rate: 'abc' is not a number (allowed: 0 to 10)");
  CHECK(refused("--rate 11") == "--rate: '11' is not allowed (allowed: 0 to 10)");
  CHECK(refused("--rate nan") == "--rate: 'nan' is not a number (allowed: 0 to 10)");
  CHECK(refused("--rate inf") == "--rate: 'inf' is not a number (allowed: 0 to 10)");
  CHECK(refused("--rate ''") == "--rate: '' is not a number (allowed: 0 to 10)");
  CHECK(refused("--count 1.5") == "--count: '1.5' is not a whole number (allowed: -2 to 10)");
  CHECK(refused("--count 7x") == "--count: '7x' is not a whole number (allowed: -2 to 10)");
  CHECK(refused("-c 11") == "--count: '11' is not allowed (allowed: -2 to 10)");
  CHECK(refused("--count 99999999999999999999") ==
        "--count: '99999999999999999999' is too large or too small a number (allowed: -2 to 10)");
  CHECK(refused("--seed -1") == "--seed: '-1' is not a whole number that is not negative");
  CHECK(refused("--mode quick") == "--mode: 'quick' is not allowed (allowed: fast, slow)");
  CHECK(refused("--sizes 1,x") == "--sizes: 'x' is not a whole number (allowed: 1 to 100)");
  CHECK(refused("--sizes 1,101") == "--sizes: '101' is not allowed (allowed: 1 to 100)");
  CHECK(refused("--sizes 1,,2") == "--sizes: '' is not a whole number (allowed: 1 to 100)");
  CHECK(refused("--names ann,eve") == "--names: 'eve' is not allowed (allowed: ann, bob)");
  CHECK(contains(refused("--flag=maybe"), "--flag"));
  CHECK(contains(refused("--rate"), "--rate"));
}

TEST_CASE("an unknown option is refused with the nearest known one") {
  CHECK(refused("--rat 1") == "unknown option '--rat' (did you mean --rate?); --help lists all");
  CHECK(contains(refused("--hlp"), "did you mean --help?"));
  CHECK(contains(refused("--raet=1"), "did you mean --rate?"));
  CHECK(refused("--entirely-else") == "unknown option '--entirely-else'; --help lists all");
  CHECK(contains(refused("-z"), "unknown option '-z'"));
  CHECK(contains(refused("--no-rate"), "unknown option '--no-rate'"));
}

TEST_CASE("layers: default, profile, file, environment, command line; the later wins") {
  const test::Folder folder;
  write_atomically(folder / "c.json", std::string_view(R"({"count": 6, "rate": 3, "seed": 30, "sizes": [7], "flag": true})"));
  const Variable rate("SELFSIGHT_RATE", "4"), seed("SELFSIGHT_SEED", "40"), other("SELFSIGHT_OF_ANOTHER_TOOL", "x");
  Typed typed("--seed 50 --config " + (folder / "c.json").string());
  typed.cli.set_profile({{"mode", "slow"}, {"count", 5}, {"rate", 2}, {"seed", 20}}, "profile");
  typed.cli.parse();
  CHECK(typed.all.free == "");
  CHECK(typed.all.mode == "slow");
  CHECK(typed.all.count == 6);
  CHECK(typed.all.rate == 4);
  CHECK(typed.all.seed == 50);
  CHECK(typed.all.sizes == std::vector<std::int64_t>{7});
  CHECK(typed.all.flag);
  CHECK(contains(typed.cli.help(), "how (fast, slow) [slow]"));
}

TEST_CASE("SELFSIGHT_CONFIG names the file when --config does not") {
  const test::Folder folder;
  write_atomically(folder / "c.json", std::string_view(R"({"count": 6})"));
  const Variable config("SELFSIGHT_CONFIG", (folder / "c.json").string());
  CHECK(parsed("").count == 6);
}

TEST_CASE("a run's saved configuration is one to start from, of the same method") {
  const test::Folder folder;
  const std::string file = (folder / "config.json").string();
  const auto with = [&](const std::string& word, const json& config) {
    write_atomically(file, config.dump());
    Typed typed(word + " --config " + file);
    CHECK(typed.cli.take_word() == word);
    typed.cli.parse();
    return typed.all.count;
  };
  CHECK(with("simclr", {{"count", 7}, {"method", "simclr"}, {"dataset", "sha256:12"}}) == 7);
  CHECK(with("moco", {{"count", 8}, {"method", "adainf(moco)"}}) == 8);
  const auto message = [&](const std::string& word, const json& config) { return error_of(Exit::usage, [&] { with(word, config); }); };
  CHECK(contains(message("byol", {{"method", "simclr"}}), "is the configuration of a run of simclr, not of byol"));
  CHECK(contains(message("byol", {{"method", "byol"}, {"methods", 1}}), "there is no option 'methods'"));
  CHECK(contains(refused("--config " + file), "there is no option 'method'"));  // a tool without a word has no such files
}

TEST_CASE("variables that name no option get one warning, with what may be meant") {
  const test::Folder folder;
  const auto warned = [&](const std::string& line) {
    {
      const test::Redirect log(STDERR_FILENO, folder / "log");
      parsed(line);
    }
    return read_text(folder / "log");
  };
  const Variable rate("SELFSIGHT_RATE", "4"), dependencies("SELFSIGHT_DEPS", "/x"), other("SELFSIGHTS", "x");
  CHECK(warned("") == "");
  const Variable near("SELFSIGHT_WEIGTHS", "4"), far("SELFSIGHT_OF_ANOTHER_TOOL", "x");
  const std::string text = warned("--quiet");
  CHECK(contains(text,
                 "warning: no option of tool, so passed over: SELFSIGHT_OF_ANOTHER_TOOL, SELFSIGHT_WEIGTHS (did you mean "
                 "SELFSIGHT_WEIGHTS?)"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("an output is called neither - nor nothing") {
  std::string file;
  const auto parse_output = [&](const std::string& line) {
    Typed typed(line);
    typed.cli.options().add("output", &file, "file").letter('o').written();
    typed.cli.parse();
  };
  CHECK(contains(error_of(Exit::usage, [&] { parse_output("-o -"); }), "printed to stdout"));
  CHECK(contains(error_of(Exit::usage, [&] { parse_output("--output=-"); }), "--output"));
  CHECK(contains(error_of(Exit::usage, [&] { parse_output("-o ''"); }), "--output: '' is no name of a file"));
  parse_output("-o ./-");
  CHECK(file == "./-");
}

TEST_CASE("an option that would do nothing is refused on the command line, not in a configuration that serves several commands") {
  const test::Folder folder;
  const std::string file = (folder / "c.json").string();
  write_atomically(file, R"({"depth": 3, "width": 4, "tail": "x"})");
  const auto parse = [&](const std::string& line) {
    std::int64_t depth = 1, width = 1, height = 1;
    std::string tail;
    Typed typed(line);
    typed.cli.options().add("height", &height, "how high").only_without("flag");
    typed.cli.options().add("depth", &depth, "how deep").only_with("flag");
    typed.cli.options().add("width", &width, "how wide").only_with("mode", {"slow", "slower"});
    typed.cli.options().add("tail", &tail, "what is behind").only_with("names");
    typed.cli.parse();
    CHECK(contains(typed.cli.help(), "how wide; only with --mode slow or slower"));
    CHECK(contains(typed.cli.help(), "how high; only without --flag"));
    return depth;
  };
  const auto refusal = [&](const std::string& line) { return error_of(Exit::usage, [&] { parse(line); }); };
  CHECK(refusal("--depth 3") == "--depth: has no effect without --flag");
  CHECK(refusal("--depth 1") == "--depth: has no effect without --flag");
  CHECK(parse("--depth 3 --flag") == 3);
  CHECK(refusal("--height 3 --flag") == "--height: has no effect with --flag");
  CHECK(parse("--height 3") == 1);
  CHECK(refusal("--width 3") == "--width: has no effect without --mode slow or slower");
  parse("--mode slow --width 3");
  CHECK(refusal("--tail x") == "--tail: has no effect without --names");
  parse("--tail x --names ann");
  CHECK(parse("--config " + file) == 3);
  const Variable wide("SELFSIGHT_WIDTH", "3");
  parse("");
}

TEST_CASE("a list of things that must differ names the one that is there twice") {
  std::vector<std::int64_t> ranks = {1, 5};
  Options options;
  Option& option = options.add("ranks", &ranks, "of the curve").range(1).distinct();
  option.set_text("5,1,10", "--ranks");
  CHECK(error_of(Exit::usage, [&] { option.set_text("5,1,5", "--ranks"); }) == "--ranks: '5' is given twice");
  CHECK(contains(error_of(Exit::usage, [&] { option.set_json({2, 2}, "c.json"); }), "'2' is given twice"));
  CHECK(ranks == std::vector<std::int64_t>{5, 1, 10});
}

TEST_CASE("a verb that is missing or misspelt, and what was meant") {
  const auto verb = [](const std::string& line, const std::vector<std::string>& verbs) { return Typed(line).cli.take_verb(verbs); };
  const auto refusal = [&](const std::string& line, const std::vector<std::string>& verbs) {
    return error_of(Exit::usage, [&] { verb(line, verbs); });
  };
  CHECK(verb("score --rate 1", {"score"}) == "score");
  CHECK(refusal("scroe x", {"score"}) == "'scroe' is no verb of tool; did you mean 'tool score'? (usage: tool [options] [FILE])");
  CHECK(contains(refusal("results/", {"score"}), "did you mean 'tool score'?"));
  CHECK(contains(refusal("--rate 1", {"score"}), "give a verb: score; did you mean 'tool score'?"));
  CHECK(contains(refusal("trian", {"train", "score"}), "did you mean 'tool train'?"));
  CHECK_FALSE(contains(refusal("results", {"train", "score"}), "did you mean"));
  CHECK(verb("--help", {"score", "train"}) == "score");
}

TEST_CASE("a configuration file and the environment are checked like the command line") {
  const test::Folder folder;
  const std::string file = (folder / "c.json").string();
  const auto with = [&](std::string_view text) {
    write_atomically(file, text);
    return refused("--config " + file);
  };
  CHECK(with(R"({"rat": 1})") == file + ": there is no option 'rat' (did you mean --rate?)");
  CHECK(with(R"({"rate": "1"})") == file + ": rate: \"1\" is not a number (allowed: 0 to 10)");
  CHECK(with(R"({"rate": 11})") == file + ": rate: '11' is not allowed (allowed: 0 to 10)");
  CHECK(with(R"({"count": 1.5})") == file + ": count: 1.5 is not a whole number (allowed: -2 to 10)");
  CHECK(with(R"({"count": 18446744073709551615})") == file + ": count: 18446744073709551615 is not a whole number (allowed: -2 to 10)");
  CHECK(with(R"({"seed": -1})") == file + ": seed: -1 is not a whole number that is not negative");
  CHECK(with(R"({"flag": 1})") == file + ": flag: 1 is not true or false");
  CHECK(with(R"({"sizes": 1})") == file + ": sizes: 1 is not a list");
  CHECK(with(R"({"sizes": [1, "a"]})") == file + ": sizes: \"a\" is not a whole number (allowed: 1 to 100)");
  CHECK(with(R"({"names": ["eve"]})") == file + ": names: 'eve' is not allowed (allowed: ann, bob)");
  CHECK(contains(with("[1]"), "options must be a JSON object"));
  CHECK(contains(with("{"), "is not JSON (fault at byte 2)"));
  CHECK(contains(with(R"({"rate": 1e999})"), "is not JSON"));
  error_of(Exit::no_input, [&] { parsed("--config " + (folder / "missing.json").string()); });
  const Variable rate("SELFSIGHT_RATE", "fast");
  CHECK(refused("") == "SELFSIGHT_RATE: 'fast' is not a number (allowed: 0 to 10)");
}

TEST_CASE("a value that is refused changes nothing") {
  Everything all;
  Options options;
  all.describe(options);
  error_of(Exit::usage, [&] { options.find("sizes")->set_text("5,6,x", "--sizes"); });
  CHECK(all.sizes == std::vector<std::int64_t>{1, 2});
  error_of(Exit::usage, [&] { options.find("count")->set_json(11, "c"); });
  CHECK(all.count == 3);
}

TEST_CASE("the resolved configuration goes out and comes back whole; runtime options are no part of the identity") {
  Everything all;
  Options options;
  all.describe(options);
  all.rate = 0.1;
  all.names = {"ann"};
  const json values = options.values();
  CHECK(values == json{{"flag", false},
                       {"on", true},
                       {"count", 3},
                       {"seed", 0u},
                       {"rate", 0.1},
                       {"mode", "fast"},
                       {"free-text", ""},
                       {"sizes", {1, 2}},
                       {"weights", json::array()},
                       {"names", {"ann"}}});
  CHECK_FALSE(options.values(true).contains("weights"));
  Everything again;
  Options second;
  again.describe(second);
  second.set_json(json::parse(values.dump()), "saved");
  CHECK(second.values() == values);
  CHECK(contains(error_of(Exit::internal, [&] { options.add("rate", &all.rate, "twice"); }), "--rate is described twice"));
}

TEST_CASE("the help shows purpose, usage, examples, groups, defaults and what is allowed, in 100 columns") {
  Typed typed("");
  std::string text;
  for (int i = 0; i < 60; ++i) text += "word ";
  typed.cli.options().add("long-option-with-a-long-name", &typed.all.free, text);
  const std::string help = typed.cli.help();
  for (const char* part :
       {"Shows how options work.", "Usage: tool [options] [FILE]", "Examples:\n  tool --rate 1\n  tool -c 4", "\nFirst:\n", "\nSecond:\n",
        "--[no-]flag", "-c, --count N", "how many (-2 to 10) [3]", "learning rate (0 to 10) [0.5]", "--free-text WORDS",
        "of the layers (1 to 100) [1,2]", "--sizes N,...", "See also: other"})
    CHECK(contains(help, part));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 100, line);
}

TEST_CASE("--help and --version print to stdout and end with 0; errors end with their code") {
  const test::Folder folder;
  const auto run = [&](const std::string& line) {
    auto arguments = Typed::words(line);
    const test::Redirect out(STDOUT_FILENO, folder / "out"), err(STDERR_FILENO, folder / "err");
    Everything all;
    return run_tool(static_cast<int>(arguments.size()), Typed::pointers(arguments).data(), Typed::info(), [&](CommandLine& cli) {
      all.describe(cli.options());
      cli.parse();
      if (all.mode == "slow") throw std::runtime_error("oops");
      if (all.count == 9) fail(Exit::bad_data, "the file is odd");
      if (all.count == 8) static_cast<void>(fs::file_size("/nowhere/at-all"));
    });
  };
  CHECK(run("--help --rate 99") == 0);
  CHECK(contains(read_text(folder / "out"), "Usage: tool"));
  CHECK(read_text(folder / "err").empty());
  CHECK(run("--version") == 0);
  CHECK(read_text(folder / "out") == "tool of " + version_text() + "\nLibrary 1.2\n");
  CHECK(run("--rate 99") == 64);
  CHECK(read_text(folder / "err") == "tool: error: --rate: '99' is not allowed (allowed: 0 to 10)\n");
  CHECK(read_text(folder / "out").empty());
  CHECK(run("--count 9") == 65);
  CHECK(read_text(folder / "err") == "tool: error: the file is odd\n");
  CHECK(run("--count 8") == 66);
  CHECK(run("--mode slow") == 70);
  CHECK(read_text(folder / "err") == "tool: error: internal error: oops\n");
  CHECK(run("--rate 1") == 0);
}
