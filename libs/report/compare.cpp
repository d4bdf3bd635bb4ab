#include "report/compare.h"

#include "metrics/statistics.h"
#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <set>

namespace selfsight::report {
namespace {

using manifest::Json;
using manifest::Metrics;
using manifest::Row;

/// Options that say where and how a run was computed, not what.
constexpr std::array<const char*, 12> incidental = {"seed",     "output", "workers",          "threads", "device",    "log-interval",
                                                    "prefetch", "resume", "checkpoint-every", "keep",    "data-root", "dry-run"};

Json model_of(const Metrics& metrics) { return metrics.model.is_object() ? metrics.model : Json::object(); }

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return number_text(value.get<double>());
  if (value.is_number_integer() && value.get<std::int64_t>() >= 10000) return count_text(value.get<std::int64_t>());
  if (value.is_array()) {
    std::string out;
    for (const Json& item : value) out += (out.empty() ? "" : ", ") + plain(item);
    return out;
  }
  return value.dump();
}

std::string seed_of(const Json& model) {
  const auto config = model.find("config");
  return config != model.end() && config->is_object() && config->contains("seed") ? plain(config->at("seed")) : "";
}

bool is_manifest(const std::string& setting) { return setting.ends_with(".json"); }

/// The file of a manifest that a run took (a teacher, a plan) without the run's own seed, which does not make another arm.
std::string without_seed(std::string file, const std::string& seed) {
  const std::string mark = "-seed" + seed;
  for (std::size_t at = file.find(mark); at != std::string::npos; at = file.find(mark, at)) {
    const std::size_t end = at + mark.size();
    if (end < file.size() && file[end] != '/' && file[end] != '.') {
      at = end;  // -seed10 is not of seed 1
    } else {
      file.erase(at, mark.size());
    }
  }
  return file;
}

/// Such a file by its name; by its folder's where manifests of one kind have one name.
std::string short_name(const std::string& file) {
  const std::filesystem::path path(file);
  return path.stem() == "model" || path.stem() == "dataset" ? path.parent_path().filename().string() : path.stem().string();
}

/// The settings that make a run's arm, flat: name and text.
std::map<std::string, std::string> settings_of(const Json& model) {
  std::map<std::string, std::string> out;
  const std::string seed = seed_of(model);
  for (const char* part : {"architecture", "config"}) {
    if (!model.contains(part) || !model.at(part).is_object()) continue;
    for (const auto& [key, value] : model.at(part).items()) {
      if (std::find(incidental.begin(), incidental.end(), key) != incidental.end()) continue;
      out[key] = value.is_string() && is_manifest(value.get<std::string>()) ? without_seed(value.get<std::string>(), seed) : plain(value);
    }
  }
  return out;
}

bool smaller_is_better(const Row& row) {
  if (row.protocol.is_object() && row.protocol.contains("better")) return row.protocol.at("better") == "lower";
  for (const char* word : {"loss", "error", "seconds", "time", "perplexity", "median rank", "mean rank", "distance"}) {
    if (row.name.find(word) != std::string::npos) return true;
  }
  return row.unit == "s" || row.unit == "ms";
}

/// The arm of each (manifest, subject), in order of first appearance.
struct Arms {
  std::vector<Arm> arms;
  std::map<std::pair<std::size_t, std::string>, std::size_t> of;
};

Arms find_arms(const std::vector<Metrics>& metrics) {
  // Methods first: per method the distinct settings, so that names need only say what differs.
  std::vector<std::map<std::string, std::string>> settings;
  std::map<std::string, std::vector<std::map<std::string, std::string>>> variants;
  for (const Metrics& one : metrics) settings.push_back(settings_of(model_of(one)));
  const auto method_of = [&](std::size_t m) { return model_of(metrics[m]).value("method", ""); };
  // An option that a run of an earlier build did not know yet tells nothing apart.
  std::map<std::string, std::map<std::string, std::size_t>> knowing;
  std::map<std::string, std::size_t> runs;
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    ++runs[method_of(m)];
    for (const auto& [key, value] : settings[m]) ++knowing[method_of(m)][key];
  }
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    std::erase_if(settings[m], [&](const auto& item) { return knowing[method_of(m)][item.first] < runs[method_of(m)]; });
    auto& known = variants[method_of(m)];
    if (std::find(known.begin(), known.end(), settings[m]) == known.end()) known.push_back(settings[m]);
  }
  const auto name_of = [&](std::size_t m, const std::string& method) {
    const auto& known = variants[method];
    std::string differing;
    for (const auto& [key, value] : settings[m]) {
      const bool same = std::all_of(known.begin(), known.end(), [&, &k = key, &v = value](const auto& other) {
        const auto it = other.find(k);
        return it != other.end() && it->second == v;
      });
      const bool told_apart = is_manifest(value) && std::none_of(known.begin(), known.end(), [&, &k = key, &v = value](const auto& other) {
                                const auto it = other.find(k);
                                return it != other.end() && it->second != v && short_name(it->second) == short_name(v);
                              });
      if (!same) differing += fmt::format("{}{} {}", differing.empty() ? "" : ", ", key, told_apart ? short_name(value) : value);
    }
    return differing.empty() ? method : method + " (" + differing + ")";
  };
  // Nothing tells scores of no model of ours to be repetitions of one another: where several files say the same of whose they are, each is
  // an arm of its own, called by its file.
  const auto scored_name = [&](std::size_t m, const std::string& subject) {
    const auto has_subject = [&](const Metrics& one) {
      return model_of(one).value("method", "").empty() &&
             std::any_of(one.rows.begin(), one.rows.end(), [&](const Row& row) { return row.subject == subject; });
    };
    std::string name = subject.empty() ? metrics[m].tool.value("name", "") : subject;
    if (std::count_if(metrics.begin(), metrics.end(), has_subject) < 2) return name;
    const std::filesystem::path file = metrics[m].origin;
    return fmt::format("{}{}", name.empty() ? "" : name + ", ", (file.parent_path().filename() / file.filename()).string());
  };
  Arms out;
  const auto add = [&](std::size_t m, const std::string& subject, const std::string& name, bool method) {
    auto it = std::find_if(out.arms.begin(), out.arms.end(), [&](const Arm& arm) { return arm.name == name && arm.method == method; });
    if (it == out.arms.end()) it = out.arms.insert(it, Arm{name, method});
    out.of[{m, subject}] = static_cast<std::size_t>(it - out.arms.begin());
  };
  for (const bool methods : {true, false}) {
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      const std::string method = model_of(metrics[m]).value("method", "");
      for (const Row& row : metrics[m].rows) {
        const bool is_method = row.subject == method;
        if (is_method == methods)
          add(m, row.subject, method.empty() ? scored_name(m, row.subject) : is_method ? name_of(m, method) : row.subject, is_method);
      }
    }
  }
  for (Arm& arm : out.arms) {
    if (arm.name.empty()) arm.name = "(unnamed)";
  }
  return out;
}

std::string base_key(const Row& row) { return row.name + '\n' + row.split + '\n' + row.unit; }

/// What is set for a judge, so that results with other values are no repetitions. (Others are found out, or follow from the data.)
std::set<std::string> judge_settings(const Json& protocol) {
  std::set<std::string> out = {
      "epochs",  "batch",        "weight decay", "augmentation", "falls to a fifth after", "learning rates tried", "layer decay",
      "warm-up", "standardised", "L2 tried",     "temperature"};
  if (protocol.value("chosen on", Json()) == "nothing: fixed") out.insert("learning rate");
  return out;
}

/// Protocol entries that tell apart rows of one arm, by base key.
std::map<std::string, std::set<std::string>> distinguishing_keys(const std::vector<Metrics>& metrics, const Arms& arms) {
  std::map<std::string, std::set<std::string>> out;
  for (const Metrics& one : metrics) {
    for (std::size_t i = 0; i < one.rows.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const Row &a = one.rows[i], &b = one.rows[j];
        if (a.subject != b.subject || base_key(a) != base_key(b)) continue;
        for (const auto& [key, value] : a.protocol.items()) {
          if (!b.protocol.contains(key) || b.protocol.at(key) != value) out[base_key(a)].insert(key);
        }
        for (const auto& [key, value] : b.protocol.items()) {
          if (!a.protocol.contains(key)) out[base_key(a)].insert(key);
        }
      }
    }
  }
  // Settings chosen on held-out data differ by row without naming it: where the count of labels tells rows apart, it does so alone, and
  // together with the features where it does not. So does any other entry that is enough, which makes short titles.
  const auto tell_apart = [&](const std::string& base, const std::set<std::string>& names) {
    for (const Metrics& one : metrics) {
      std::set<std::string> seen;
      for (const Row& row : one.rows) {
        if (base_key(row) != base) continue;
        std::string values = row.subject;
        for (const std::string& name : names) values += '\n' + (row.protocol.contains(name) ? row.protocol.at(name).dump() : "");
        if (!seen.insert(values).second) return false;
      }
    }
    return true;
  };
  for (auto& [key, names] : out) {
    std::vector<std::set<std::string>> candidates;
    std::set<std::string> all;
    for (const char* leading : {"labels", "k", "split", "layer", "features", "direction", "ranked"}) {
      if (!names.contains(leading)) continue;
      candidates.push_back({leading});
      all.insert(leading);
    }
    candidates.push_back(all);
    for (const std::string& name : names) candidates.push_back({name});
    const auto good = std::find_if(candidates.begin(), candidates.end(), [&, &k = key](const auto& some) { return tell_apart(k, some); });
    if (good != candidates.end()) names = *good;
  }
  // Two manifests of one arm may be by different protocols.
  const auto value = [](const Row& row, const std::string& key) { return row.protocol.contains(key) ? row.protocol.at(key) : Json(); };
  const auto found = out;
  const auto same_place = [&](const Row& a, const Row& b) {
    if (base_key(a) != base_key(b) || !a.protocol.is_object() || !b.protocol.is_object()) return false;
    const auto it = found.find(base_key(a));
    const auto same = [&](const std::string& key) { return value(a, key) == value(b, key); };
    return it == found.end() || std::all_of(it->second.begin(), it->second.end(), same);
  };
  for (std::size_t m = 0; m < metrics.size(); ++m)
    for (std::size_t n = 0; n < m; ++n)
      for (const Row& a : metrics[m].rows)
        for (const Row& b : metrics[n].rows) {
          if (arms.of.at({m, a.subject}) != arms.of.at({n, b.subject}) || !same_place(a, b)) continue;
          for (const std::string& key : judge_settings(a.protocol))
            if (value(a, key) != value(b, key)) out[base_key(a)].insert(key);
        }
  return out;
}

/// What stands in a title: an entry of several words ("text to video") needs no name.
std::string title_text(const Json& apart) {
  std::string out;
  for (const auto& [key, value] : apart.items()) {
    const std::string text = plain(value);
    const bool words = value.is_string() && text.find(' ') != std::string::npos;
    out += out.empty() ? "" : ", ";
    out += words ? text : fmt::format("{} {}", key, text);
  }
  return out;
}

}  // namespace

double student_quantile(double p, double freedom) {
  // P(T > t) = I_x(freedom / 2, 1 / 2) / 2 with x = freedom / (freedom + t^2). The density is integrated over the angle
  // t = sqrt(freedom) tan(a), where it is a plain power of the cosine, and the limit found by bisection.
  const double tail = 1 - p;
  const auto mass = [&](double from) {  // integral of cos^(freedom - 1) over [from, pi / 2], by Simpson's rule
    constexpr int pieces = 2000;
    const double to = std::acos(-1.0) / 2, step = (to - from) / pieces;
    double sum = 0;
    for (int i = 0; i <= pieces; ++i) {
      const double weight = i == 0 || i == pieces ? 1 : i % 2 == 1 ? 4 : 2;
      sum += weight * std::pow(std::max(0.0, std::cos(from + step * i)), freedom - 1);
    }
    return sum * step / 3;
  };
  const double whole = 2 * mass(0);
  double low = 0, high = std::acos(-1.0) / 2;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (mass(middle) / whole > tail ? low : high) = middle;
  }
  return std::sqrt(freedom) * std::tan((low + high) / 2);
}

bool Difference::holds(bool lower_is_better) const { return standard_error && (lower_is_better ? high < 0 : low > 0); }

const Cell* Comparison::cell(std::size_t arm, std::size_t column) const {
  const auto it = cells.find({arm, column});
  return it == cells.end() ? nullptr : &it->second;
}

std::string protocol_text(const Json& protocol) {
  std::string out;
  if (!protocol.is_object()) return out;
  for (const auto& [key, value] : protocol.items()) {
    if (key == "better") continue;
    out += (out.empty() ? "" : ", ") + key + " " + plain(value);
  }
  return out;
}

std::string protocol_brief(const Json& protocol) {
  constexpr std::size_t short_enough = 80, one_entry = 34;
  std::string whole = protocol_text(protocol);
  if (whole.size() <= short_enough || !protocol.is_object()) return whole;
  std::string out;
  for (const char* key :
       {"k", "temperature", "classifier", "draws", "labels", "epochs", "augmentation", "features", "standardised", "standardise"}) {
    if (!protocol.contains(key)) continue;
    const std::string entry = std::string(key) + " " + plain(protocol.at(key));
    if (entry.size() <= one_entry && out.size() + entry.size() <= short_enough) out += (out.empty() ? "" : ", ") + entry;
  }
  return out.empty() ? cut(whole, short_enough) : out + " …";
}

std::string cut(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = text.rfind(", ", most);
  if (end == std::string::npos || end == 0) end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a letter of UTF-8
  return text.substr(0, end) + " …";
}

std::string signed_text(double value, double spread, const std::string& unit) {
  std::string text = value_text(std::abs(value), spread, unit);
  if (text.find_first_of("123456789") == std::string::npos) return text;
  return (value < 0 ? "−" : "+") + text;
}

std::string value_text(double value, double spread, const std::string& unit) {
  if (!std::isfinite(value)) return "not finite";
  const auto fixed = [&](int decimals) { return without_minus_zero(fmt::format("{:.{}f}", value, decimals)); };
  if (unit == "%") return fixed(spread > 0 && spread < 0.1 ? 2 : 1);
  if (spread > 0) return fixed(std::clamp(1 - static_cast<int>(std::floor(std::log10(spread))), 0, 6));
  return number_text(value);
}

Comparison compare(const std::vector<Metrics>& given) {
  std::vector<Metrics> metrics = given;
  for (Metrics& one : metrics)
    std::erase_if(one.rows, [](const Row& row) { return row.protocol.is_object() && row.protocol.contains("pairing"); });
  Comparison out;
  Arms arms = find_arms(metrics);
  out.arms = arms.arms;
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    const auto it = arms.of.find({m, model_of(metrics[m]).value("method", "")});
    out.method_arms.push_back(it == arms.of.end() ? std::nullopt : std::optional(it->second));
  }
  const auto keys = distinguishing_keys(metrics, arms);
  std::map<std::string, std::size_t> column_of;
  std::vector<std::map<std::pair<std::size_t, std::size_t>, std::vector<Json>>> protocols;  // by column: (arm, manifest)
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    for (const Row& row : metrics[m].rows) {
      Json apart = Json::object();
      if (const auto it = keys.find(base_key(row)); it != keys.end()) {
        for (const std::string& key : it->second) {
          if (row.protocol.contains(key)) apart[key] = row.protocol.at(key);
        }
      }
      const auto [it, is_new] = column_of.emplace(base_key(row) + '\n' + apart.dump(), out.columns.size());
      if (is_new) {
        Column column{row.name, row.split, row.unit, "", "", smaller_is_better(row), row.name, row.name};
        if (!apart.empty()) {
          column.title += ", " + cut(title_text(apart));
          column.full_title += ", " + protocol_text(apart);
        }
        const auto same = std::count_if(out.columns.begin(), out.columns.end(), [&](const Column& other) {
          return other.name == row.name && other.split == row.split && other.title.starts_with(column.title);
        });
        if (same > 0 && column.title != column.full_title) column.title += fmt::format(" ({})", same + 1);
        out.columns.push_back(column);
        protocols.emplace_back();
      }
      const std::size_t arm = arms.of.at({m, row.subject});
      out.cells[{arm, it->second}].runs.push_back(
          {m, seed_of(model_of(metrics[m])), row.value, row.samples, row.protocol.contains("seed") ? plain(row.protocol.at("seed")) : ""});
      Json rest = row.protocol;
      for (const auto& [key, value] : apart.items()) rest.erase(key);
      protocols[it->second][{arm, m}].push_back(rest);
    }
  }
  for (std::size_t c = 0; c < out.columns.size(); ++c) {
    Json common = protocols[c].begin()->second.front();
    for (const auto& [where, rows] : protocols[c]) {
      for (const Json& row : rows) {
        Json kept = Json::object();
        for (const auto& [key, value] : common.items()) {
          if (row.contains(key) && row.at(key) == value) kept[key] = value;
        }
        common = kept;
      }
    }
    out.columns[c].protocol = protocol_text(common);
    out.columns[c].brief = protocol_brief(common);
    for (const auto& [where, rows] : protocols[c]) {
      std::map<std::string, std::set<std::string>> own;
      for (const Json& row : rows) {
        for (const auto& [key, value] : row.items()) {
          if (!common.contains(key) && key != "better" && key != "seed") own[key].insert(plain(value));
        }
      }
      std::string& text = out.cells[{where.first, c}].protocol;
      for (const auto& [key, values] : own) {
        std::string entry = key;
        for (const std::string& value : values) entry += " " + value;
        if (text.find(entry) == std::string::npos) text += (text.empty() ? "" : ", ") + entry;
      }
    }
  }
  return out;
}

Summary summarise(const Cell& cell) {
  std::vector<const Run*> distinct;
  for (const Run& run : cell.runs) {
    const bool seen = std::any_of(distinct.begin(), distinct.end(),
                                  [&](const Run* other) { return other->value == run.value && other->samples == run.samples; });
    if (!seen) distinct.push_back(&run);
  }
  Summary out;
  if (distinct.size() == 1) {
    out.mean = distinct.front()->value;
    if (distinct.front()->samples.size() > 1) {
      out.samples = distinct.front()->samples;
      out.over = "draws";
    }
  } else {
    for (const Run* run : distinct) out.samples.push_back(run->value);
    out.mean = metrics::mean(out.samples);
    out.over = "runs";
  }
  out.spread = metrics::standard_deviation(out.samples);
  return out;
}

Difference difference(const Cell& a, const Cell& b) {
  std::vector<std::pair<const Run*, const Run*>> pairs;
  for (const Run& run : a.runs) {
    const auto find = [&](auto&& same) {
      const auto it = std::find_if(b.runs.begin(), b.runs.end(), same);
      return it == b.runs.end() ? nullptr : &*it;
    };
    const Run* other = find([&](const Run& r) { return r.manifest == run.manifest; });
    if (other == nullptr) other = find([&](const Run& r) { return !r.seed.empty() && r.seed == run.seed; });
    const auto same = [&](const auto& pair) {  // one run that was given twice
      return pair.first->value == run.value && pair.first->samples == run.samples && pair.second->value == other->value &&
             pair.second->samples == other->samples;
    };
    if (other != nullptr && std::none_of(pairs.begin(), pairs.end(), same)) pairs.emplace_back(&run, other);
  }
  if (pairs.empty() && a.runs.size() == 1 && b.runs.size() == 1) pairs.emplace_back(&a.runs[0], &b.runs[0]);

  Difference out;
  double freedom = 0;
  if (pairs.size() > 1) {
    for (const auto& [x, y] : pairs) out.samples.push_back(x->value - y->value);
    out.over = "paired runs";
  } else if (pairs.size() == 1) {
    const auto& [x, y] = pairs.front();
    if (x->samples.size() > 1 && x->samples.size() == y->samples.size() && x->draws == y->draws) {
      out.samples = metrics::paired_difference(x->samples, y->samples).samples;
      out.over = "paired draws";
    }
  }
  if (!out.samples.empty()) {
    out.mean = metrics::mean(out.samples);
    out.standard_error = metrics::standard_error(out.samples);
    freedom = static_cast<double>(out.samples.size() - 1);
  } else {
    const Summary x = summarise(a), y = summarise(b);
    out.mean = x.mean - y.mean;
    if (x.samples.size() > 1 && y.samples.size() > 1) {
      const double u = x.spread * x.spread / static_cast<double>(x.samples.size()),
                   v = y.spread * y.spread / static_cast<double>(y.samples.size());
      out.standard_error = std::sqrt(u + v);
      out.over = "unpaired";
      freedom = u + v > 0 ? (u + v) * (u + v) /
                                (u * u / static_cast<double>(x.samples.size() - 1) + v * v / static_cast<double>(y.samples.size() - 1))
                          : 1;
    }
  }
  if (!std::isfinite(out.mean)) out.standard_error.reset();
  const double reach = out.standard_error ? student_quantile(0.975, freedom) * *out.standard_error : 0;
  out.low = out.mean - reach;
  out.high = out.mean + reach;
  return out;
}

}  // namespace selfsight::report
