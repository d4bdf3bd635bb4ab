#include "report/axis.h"
#include "report/sections.h"

#include <fmt/format.h>

#include <algorithm>

namespace selfsight::report {
namespace {

using manifest::Json;

double number(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object.at(key).is_number() ? object.at(key).get<double>() : 0;
}

std::string text(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return "";
  return object.at(key).is_string() ? object.at(key).get<std::string>() : object.at(key).dump();
}

/// A command line as a shell would take it.
std::string command_line(const Json& tool) {
  std::string out;
  if (!tool.is_object() || !tool.contains("argv") || !tool.at("argv").is_array()) return out;
  for (const Json& word : tool.at("argv")) {
    std::string plain = word.is_string() ? word.get<std::string>() : word.dump();
    if (plain.empty() || plain.find_first_of(" \t\n\"'\\$`|&;<>()*?[]#~!{}") != std::string::npos) {
      std::string quoted = "'";
      for (const char c : plain) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      plain = quoted + "'";
    }
    out += (out.empty() ? "" : " ") + plain;
  }
  return out;
}

std::string date_of(const Json& tool) {
  for (const char* key : {"date", "time", "finished", "started"}) {
    if (const std::string date = text(tool, key); !date.empty()) return date;
  }
  return "";
}

std::string architecture_name(const manifest::Model& model) {
  const std::string name = text(model.architecture, "name");
  const double width = number(model.architecture, "width");
  return width > 0 && width != 1 && name.find("resnet") == 0 ? fmt::format("{}, width {}", name, number_text(width)) : name;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

void add(Entries& entries, const std::string& name, const std::string& value) {
  if (!value.empty()) entries.emplace_back(name, escape(value));
}

Entries model_facts(const manifest::Model& model) {
  Entries out;
  add(out, "Method", model.method);
  add(out, "Architecture", architecture_name(model));
  if (model.feature_dim > 0) add(out, "Feature dimension", count_text(model.feature_dim));
  if (model.input.size() == 3) add(out, "Input", fmt::format("{} × {} × {}", model.input[0], model.input[1], model.input[2]));
  add(out, "Data", model.dataset.name);
  if (const double epochs = number(model.training, "epochs"); epochs > 0) add(out, "Epochs", number_text(epochs));
  if (const double steps = number(model.training, "steps"); steps > 0) add(out, "Steps", count_text(static_cast<std::int64_t>(steps)));
  const double images = number(model.training, "images"), seconds = number(model.training, "seconds");
  if (images > 0) add(out, "Images seen", count_text(static_cast<std::int64_t>(images)));
  if (seconds > 0) add(out, "Training time", seconds_text(seconds));
  if (images > 0 && seconds > 0) add(out, "Images per second", count_text(static_cast<std::int64_t>(images / seconds)));
  add(out, "Seed", text(model.config, "seed"));
  add(out, "Date", date_of(model.tool));
  add(out, "Made with", fmt::format("{} {}", text(model.tool, "name"), text(model.tool, "version")));
  return out;
}

std::string pre(const std::string& content) { return "<pre>" + escape(content) + "</pre>"; }

}  // namespace

std::string run_line(const std::vector<TrainedRun>& runs) {
  if (runs.empty()) return "";
  if (runs.size() > 1) return fmt::format("{} trained models compared", runs.size());
  const manifest::Model& model = *runs.front().model;
  std::vector<std::string> parts;
  if (const std::string name = architecture_name(model); !name.empty()) parts.push_back(name);
  const double epochs = number(model.training, "epochs"), images = number(model.training, "images"),
               seconds = number(model.training, "seconds");
  if (epochs > 0)
    parts.push_back(fmt::format("{} epochs{}", number_text(epochs),
                                images > 0 ? " (" + count_text(static_cast<std::int64_t>(images)) + " images)" : ""));
  if (seconds > 0) parts.push_back("trained in " + seconds_text(seconds));
  if (const std::string seed = text(model.config, "seed"); !seed.empty()) parts.push_back("seed " + seed);
  if (const std::string date = date_of(model.tool); !date.empty()) parts.push_back(date);
  return fmt::format("{}", fmt::join(parts, " · "));
}

Section run_section(const Material& material, const std::vector<TrainedRun>& runs) {
  Section section{"run", "Run", "What was run, and with which settings.", ""};
  for (const TrainedRun& run : runs) {
    section.html += (runs.size() > 1 ? "<h3>" + escape(run.name) + "</h3>" : "") + "<div class=\"card\">" +
                    definition_grid(model_facts(*run.model)) + "</div>";
    if (run.model->config.is_object() && !run.model->config.empty()) {
      section.html += details("Resolved configuration", pre(run.model->config.dump(2)));
    }
    if (run.model->architecture.is_object()) section.html += details("Architecture", pre(run.model->architecture.dump(2)));
  }
  if (runs.empty()) section.html += absent("No model was given.");

  std::vector<std::string> commands;
  const auto note = [&](const Json& tool) {
    const std::string line = command_line(tool);
    if (!line.empty() && std::find(commands.begin(), commands.end(), line) == commands.end()) commands.push_back(line);
  };
  for (const manifest::Dataset& dataset : material.datasets) note(dataset.tool);
  for (const manifest::Model& model : material.models) note(model.tool);
  for (const manifest::Features& features : material.features) note(features.tool);
  for (const manifest::Metrics& metrics : material.metrics) note(metrics.tool);
  if (!commands.empty()) section.html += "<h3>Commands</h3>" + pre(fmt::format("{}", fmt::join(commands, "\n")));

  Table inputs;
  inputs.columns = {{"Input", "", false}, {"Kind", "", false}, {"Made with", "", false}};
  for (const manifest::Document& document : material.documents) {
    const Json tool = document.json.value("tool", Json::object());
    inputs.rows.push_back({{escape(document.origin)}, {escape(document.kind)}, {escape(text(tool, "name") + " " + text(tool, "version"))}});
  }
  section.html += "<h3>Made from</h3>" + draw(inputs);
  return section;
}

}  // namespace selfsight::report
