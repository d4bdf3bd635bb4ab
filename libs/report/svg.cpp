#include "report/svg.h"

#include "report/axis.h"
#include "report/html.h"
#include "report/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace selfsight::report {
namespace {

int palette(std::int64_t index) { return static_cast<int>(((index % colours) + colours) % colours); }

std::string figure(const std::string& classes, const std::string& title, const std::string& note, const std::string& inside) {
  std::string out = fmt::format("<figure class=\"{}\"><figcaption>{}", classes, escape(title));
  if (!note.empty()) out += "<small>" + escape(note) + "</small>";
  return out + "</figcaption>" + inside + "</figure>";
}

std::string svg_open(int width, int height, const std::string& label) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", width, height, escape(label));
}

std::string polyline(const std::vector<double>& x, const std::vector<double>& y, const Scale& sx, const Scale& sy, bool log_y) {
  std::string path;
  bool pen = false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i]) || (log_y && y[i] <= 0)) {
      pen = false;
      continue;
    }
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", pen ? "L" : "M", sx(x[i]), sy(y[i]));
    pen = true;
  }
  return path;
}

std::string hover_marks(const Series& series, const LineChart& chart, const Scale& sx, const Scale& sy) {
  std::string out;
  const std::size_t stride = std::max<std::size_t>(1, series.x.size() / 60);
  const bool few = series.x.size() <= 24;
  for (std::size_t i = 0; i < series.x.size(); i += stride) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i]) || (sy.log && series.y[i] <= 0)) continue;
    fmt::format_to(
        std::back_inserter(out), "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}{} {}: {}{}</title></circle>",
        few ? "dot" : "hit", sx(series.x[i]), sy(series.y[i]), few ? 2.6 : 4, series.name.empty() ? "" : escape(series.name) + ", ",
        escape(chart.x_label), number_text(series.x[i]), number_text(series.y[i]), chart.unit.empty() ? "" : " " + escape(chart.unit));
  }
  return out;
}

std::string x_axis(const Scale& sx, double top, double bottom) {
  std::string out;
  for (std::size_t i = 0; i < sx.ticks.size(); ++i) {
    const double x = sx(sx.ticks[i]);
    fmt::format_to(std::back_inserter(out), "<g class=\"grid\"><line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/></g>", x,
                   top, bottom);
    fmt::format_to(std::back_inserter(out), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", x, bottom + 15, sx.text(i));
  }
  return out;
}

/// Room for names at 12.5 px on the left of horizontal marks.
double name_room(std::size_t longest) { return std::min(190.0, 14.0 + 6.9 * static_cast<double>(longest)); }

std::string short_name(const std::string& name) {
  if (name.size() <= 26) return name;
  std::size_t end = 25;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;  // not within a letter of UTF-8
  return name.substr(0, end) + "…";
}

std::string shape(std::int64_t group, double x, double y, double r) {
  // Colours five apart are the likest; the shift gives them different shapes.
  const int colour = palette(group);
  switch ((colour + colour / 5) % 5) {
    case 1:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}z", x - r * .88, y - r * .88, r * 1.76, r * 1.76, -r * 1.76);
    case 2:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x, y - r * 1.25, r * 1.2, r * 2.1, -r * 2.4);
    case 3:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}z", x, y - r * 1.3, r * 1.3, r * 1.3, -r * 1.3, r * 1.3,
                         -r * 1.3, -r * 1.3);
    case 4:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x, y + r * 1.25, r * 1.2, -r * 2.1, -r * 2.4);
    default:
      return fmt::format("M{0:.1f} {1:.1f}a{2:.1f} {2:.1f} 0 1 0 {3:.1f} 0a{2:.1f} {2:.1f} 0 1 0 -{3:.1f} 0", x - r, y, r, 2 * r);
  }
}

}  // namespace

std::vector<double> smooth(const std::vector<double>& y, std::size_t window) {
  const std::size_t half = std::min(window, y.size()) / 2, count = y.size();
  const auto [low, high] = std::minmax_element(y.begin(), y.end());
  std::vector<double> sums = {0}, out(count);
  for (const double value : y) sums.push_back(sums.back() + value);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i < half ? 0 : i - half, end = std::min(count, i + half + 1);
    const double points = static_cast<double>(end - begin), mean = (sums[end] - sums[begin]) / points;
    out[i] = mean;
    const double centre = static_cast<double>(begin + end - 1) / 2, offset = static_cast<double>(i) - centre;
    if (offset == 0) continue;
    double slope = 0;  // near the ends the window is lopsided: the line through it is taken at the point, not at the middle
    for (std::size_t j = begin; j < end; ++j) slope += (static_cast<double>(j) - centre) * (y[j] - mean);
    out[i] = std::clamp(mean + offset * slope * 12 / (points * (points * points - 1)), *low, *high);
  }
  return out;
}

void thin(std::vector<double>& x, std::vector<double>& y, std::size_t most) {
  if (y.size() <= most) return;
  std::vector<double> kept_x, kept_y;
  const std::size_t stretch = (2 * y.size() + most - 1) / most;
  for (std::size_t begin = 0; begin < y.size(); begin += stretch) {
    const std::size_t end = std::min(y.size(), begin + stretch);
    const auto [low, high] =
        std::minmax_element(y.begin() + static_cast<std::ptrdiff_t>(begin), y.begin() + static_cast<std::ptrdiff_t>(end));
    std::size_t first = static_cast<std::size_t>(low - y.begin()), second = static_cast<std::size_t>(high - y.begin());
    if (first > second) std::swap(first, second);
    for (const std::size_t at : {first, second}) {
      kept_x.push_back(x[at]);
      kept_y.push_back(y[at]);
      if (first == second) break;
    }
  }
  x = std::move(kept_x);
  y = std::move(kept_y);
}

std::string line_legend(const std::vector<Series>& series) {
  std::string out = "<div class=\"legend\">";
  for (const Series& one : series) {
    out += fmt::format("<span><svg viewBox=\"0 0 22 10\" class=\"c{}\"><path class=\"curve d{}\" d=\"M0 5H22\"/></svg>{}</span>",
                       palette(one.colour), one.dash % 4, escape(one.name));
  }
  return out + "</div>";
}

std::string draw(const LineChart& chart) {
  std::vector<double> xs, ys;
  for (const Series& series : chart.series) {
    xs.insert(xs.end(), series.x.begin(), series.x.end());
    for (const auto& values : {series.y, series.raw_y}) ys.insert(ys.end(), values.begin(), values.end());
  }
  for (const Guide& guide : chart.guides) ys.push_back(guide.y);
  for (const auto& limit : {chart.low, chart.high}) {
    if (limit) ys.push_back(*limit);
  }
  const double left = 46, right = chart.width - 10.0, top = 8, bottom = chart.height - 34.0;
  const Scale sy = Scale::over(limits_of(ys), chart.log_y, bottom, top, 5);
  Scale sx = Scale::over(limits_of(xs), false, left, right, chart.width / 70);
  // Time runs from edge to edge: the axis ends with the data, not with the next round number.
  if (xs.size() > 1) {
    const Limits x = limits_of(xs);
    if (x.high > x.low) {
      const double scale = (right - left) / (x.high - x.low), first = sx.ticks.front(), last = sx.ticks.back();
      sx.from = left - (x.low - first) * scale;
      sx.to = right + (last - x.high) * scale;
    }
  }
  std::string out = svg_open(chart.width, chart.height, chart.title);
  for (std::size_t i = 0; i < sy.ticks.size(); ++i) {
    const double y = sy(sy.ticks[i]);
    fmt::format_to(std::back_inserter(out), "<g class=\"grid\"><line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/></g>", left,
                   right, y, y);
    fmt::format_to(std::back_inserter(out), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left - 7, y + 3.8, sy.text(i));
  }
  for (std::size_t i = 0; i < sx.ticks.size(); ++i) {
    const double x = sx(sx.ticks[i]);
    if (x < left - 1 || x > right + 1) continue;
    fmt::format_to(std::back_inserter(out), "<g class=\"axis\"><line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/></g>", x,
                   bottom, bottom + 4);
    fmt::format_to(std::back_inserter(out), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", x, bottom + 16, sx.text(i));
  }
  fmt::format_to(std::back_inserter(out), "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"end\">{}</text>", right, chart.height - 4,
                 escape(chart.x_label));
  for (const Guide& guide : chart.guides) {
    fmt::format_to(std::back_inserter(out), "<line class=\"guide-line\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", left,
                   right, sy(guide.y), sy(guide.y));
    fmt::format_to(std::back_inserter(out), "<text class=\"guide\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", right,
                   sy(guide.y) - 4, escape(guide.name));
  }
  for (const Series& series : chart.series) {
    const int colour = palette(series.colour);
    out += fmt::format("<g class=\"c{}\">", colour);
    if (!series.raw_y.empty()) out += fmt::format("<path class=\"raw\" d=\"{}\"/>", polyline(series.raw_x, series.raw_y, sx, sy, sy.log));
    out += fmt::format("<path class=\"curve d{}\" d=\"{}\"/>", series.dash % 4, polyline(series.x, series.y, sx, sy, sy.log));
    out += hover_marks(series, chart, sx, sy) + "</g>";
  }
  out += "</svg>";
  const std::string legend = chart.legend && chart.series.size() > 1 ? line_legend(chart.series) : "";
  return figure("chart", chart.title, chart.note, legend + out);
}

std::string draw(const BarChart& chart) {
  std::vector<double> values = {0};
  std::size_t longest = 0, text = 0;
  for (const Bar& bar : chart.bars) {
    values.insert(values.end(), {bar.value - bar.error, bar.value + bar.error});
    values.insert(values.end(), bar.points.begin(), bar.points.end());
    longest = std::max(longest, short_name(bar.name).size());
    text = std::max(text, bar.text.size());
  }
  const int row = 30, height = static_cast<int>(chart.bars.size()) * row + 30;
  const double left = name_room(longest), right = chart.width - 16.0 - 6.6 * static_cast<double>(text), bottom = height - 24.0;
  const Scale sx = Scale::over(limits_of(values), false, left, right, 4);
  std::string out = svg_open(chart.width, height, chart.title) + x_axis(sx, 2, bottom);
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double y = static_cast<double>(row) * (static_cast<double>(i) + 0.5) + 2, a = sx(std::min(0.0, bar.value)),
                 b = sx(std::max(0.0, bar.value));
    fmt::format_to(std::back_inserter(out), "<g class=\"c{}\"><text class=\"name\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                   palette(bar.colour), left - 8, y + 4, escape(short_name(bar.name)));
    fmt::format_to(std::back_inserter(out),
                   "<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"18\" rx=\"2\"><title>{}: {}</title></rect>", a,
                   y - 9, std::max(0.5, b - a), escape(bar.name), escape(bar.text));
    for (const double point : bar.points) {
      fmt::format_to(std::back_inserter(out),
                     "<circle class=\"single\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.3\"><title>{} {}</title></circle>", sx(point), y,
                     number_text(point), escape(chart.unit));
    }
    if (bar.error > 0) {
      const double low = sx(bar.value - bar.error), high = sx(bar.value + bar.error);
      fmt::format_to(std::back_inserter(out), "<path class=\"error\" d=\"M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v8M{1:.1f} {3:.1f}v8\"/>",
                     low, high, y, y - 4);
    }
    fmt::format_to(std::back_inserter(out), "<text class=\"value\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text></g>",
                   chart.width - 2, y + 4, escape(bar.text));
  }
  return figure("chart", chart.title, chart.note, out + "</svg>");
}

std::string draw(const IntervalChart& chart) {
  std::vector<double> values = {0};
  std::size_t longest = 0, text = 0;
  for (const Interval& interval : chart.intervals) {
    values.insert(values.end(), {interval.value, interval.low, interval.high});
    values.insert(values.end(), interval.points.begin(), interval.points.end());
    longest = std::max(longest, short_name(interval.name).size());
    text = std::max(text, interval.text.size());
  }
  const int row = 38, height = static_cast<int>(chart.intervals.size()) * row + 42;
  const double left = name_room(longest) + 6, right = chart.width - 22.0 - 6.6 * static_cast<double>(text), bottom = height - 40.0;
  const Scale sx = Scale::over(limits_of(values), false, left, right, 6);
  std::string out = svg_open(chart.width, height, chart.title) + x_axis(sx, 0, bottom);
  fmt::format_to(std::back_inserter(out), "<line class=\"zero\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1:.1f}\"/>", sx(0), bottom);
  fmt::format_to(std::back_inserter(out), "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>", (left + right) / 2, height - 5,
                 escape(chart.x_label));
  for (std::size_t i = 0; i < chart.intervals.size(); ++i) {
    const Interval& interval = chart.intervals[i];
    const double y = static_cast<double>(row) * (static_cast<double>(i) + 0.5);
    fmt::format_to(std::back_inserter(out), "<g class=\"c{}\"><text class=\"name\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                   palette(interval.colour), left - 12, y + 4, escape(short_name(interval.name)));
    for (const double point : interval.points) {
      fmt::format_to(std::back_inserter(out), "<circle class=\"pair\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}</title></circle>",
                     sx(point), y - 11, number_text(point));
    }
    fmt::format_to(std::back_inserter(out), "<line class=\"interval\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                   sx(interval.low), sx(interval.high), y, y);
    fmt::format_to(std::back_inserter(out), "<circle class=\"mean\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5.2\"><title>{}: {}</title></circle>",
                   sx(interval.value), y, escape(interval.name), escape(interval.text));
    fmt::format_to(std::back_inserter(out), "<text class=\"value\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text></g>",
                   chart.width - 2, y + 4, escape(interval.text));
  }
  return figure("chart", chart.title, chart.note, out + "</svg>");
}

std::string draw(const ScatterChart& chart) {
  std::vector<double> xs, ys;
  for (const ScatterPoint& point : chart.points) {
    xs.push_back(point.x);
    ys.push_back(point.y);
  }
  const Limits x = limits_of(xs), y = limits_of(ys);
  const double margin = 10 + (chart.images.empty() ? 0 : chart.image_size / 2.0);
  const double unit =
      std::min((chart.width - 2 * margin) / std::max(1e-12, x.high - x.low), (chart.height - 2 * margin) / std::max(1e-12, y.high - y.low));
  const auto place_x = [&](double value) { return chart.width / 2.0 + (value - (x.low + x.high) / 2) * unit; };
  const auto place_y = [&](double value) { return chart.height / 2.0 - (value - (y.low + y.high) / 2) * unit; };

  std::string legend, body;
  if (!chart.groups.empty() && chart.legend) {
    legend = "<div class=\"legend\">";
    for (std::size_t g = 0; g < chart.groups.size(); ++g) {
      const auto group = static_cast<std::int64_t>(g);
      legend += fmt::format(
          "<button type=\"button\" data-group=\"{}\" aria-pressed=\"false\"><svg viewBox=\"0 0 12 10\" style=\"width:12px\" "
          "class=\"c{}\"><path fill=\"var(--c)\" d=\"{}\"/></svg>{}</button>",
          g, palette(group), shape(group, 6, 5, 4), escape(chart.groups[g]));
    }
    legend += "</div>";
  }
  // Groups in turn would hide the earlier ones under the later; a fixed stride mixes them.
  std::vector<std::string> layers(4 * (chart.groups.size() + 1));
  for (std::size_t i = 0; i < chart.points.size(); ++i) {
    const ScatterPoint& point = chart.points[i];
    const std::int64_t group = point.group;
    std::string& layer = layers[(i % 4) * (chart.groups.size() + 1) + static_cast<std::size_t>(group + 1)];
    fmt::format_to(std::back_inserter(layer), "<path d=\"{}\"><title>{}</title></path>",
                   shape(group, place_x(point.x), place_y(point.y), chart.radius), escape(point.title));
  }
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (layers[l].empty()) continue;
    const std::int64_t group = static_cast<std::int64_t>(l % (chart.groups.size() + 1)) - 1;
    body += fmt::format("<g class=\"g c{}\" data-group=\"{}\">{}</g>", palette(group), group, layers[l]);
  }
  std::string toggle;
  if (!chart.images.empty()) {
    toggle = "<label class=\"tick\"><input type=\"checkbox\" checked> show images</label>";
    body += "<g class=\"thumbs\">";
    for (const ScatterImage& image : chart.images) {
      const ScatterPoint& point = chart.points[image.point];
      const double size = chart.image_size, left = place_x(point.x) - size / 2, top = place_y(point.y) - size / 2;
      body += fmt::format(
          "<g class=\"c{0}\" data-group=\"{1}\"><image x=\"{2:.1f}\" y=\"{3:.1f}\" width=\"{4}\" height=\"{4}\" "
          "href=\"{5}\"><title>{6}</title></image><rect x=\"{2:.1f}\" y=\"{3:.1f}\" "
          "width=\"{4}\" height=\"{4}\" rx=\"2\"/></g>",
          palette(point.group), point.group, left, top, chart.image_size, image.uri, escape(point.title));
    }
    body += "</g>";
  }
  return figure("chart map", chart.title, chart.note, toggle + legend + svg_open(chart.width, chart.height, chart.title) + body + "</svg>");
}

}  // namespace selfsight::report
