// Charts as SVG inside an HTML figure: lines, bars with error bars, intervals, scatter. They scale with their container,
// follow the page's light or dark scheme, and say on hover what a mark is. Text given to them is plain and gets escaped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace selfsight::report {

struct Series {
  std::string name;
  std::vector<double> x, y;          ///< the line; points that are not finite break it
  std::vector<double> raw_x, raw_y;  ///< what it was smoothed from, drawn faintly; may be empty
  int colour = 0;                    ///< taken modulo the palette
  int dash = 0;                      ///< modulo four; 0 is a full line
};

/// A horizontal line with a name: a floor, a target, chance.
struct Guide {
  std::string name;
  double y = 0;
};

struct LineChart {
  std::string title, note;  ///< the note stands in small type behind the title
  std::string x_label;
  std::string unit;  ///< behind the values in hover titles
  bool log_y = false;
  std::optional<double> low, high;  ///< limits of y that must be covered
  std::vector<Series> series;
  std::vector<Guide> guides;
  int width = 360, height = 210;
  bool legend = true;  ///< where there are several series
};
std::string draw(const LineChart& chart);
/// The legend alone, for several charts of the same series.
std::string line_legend(const std::vector<Series>& series);

struct Bar {
  std::string name;
  double value = 0;
  double error = 0;            ///< half length of the error bar; 0 for none
  std::vector<double> points;  ///< single values, drawn over the bar
  std::string text;            ///< what stands behind the bar
  int colour = 0;
};
/// Horizontal bars from zero.
struct BarChart {
  std::string title, note, unit;
  std::vector<Bar> bars;
  int width = 360;
};
std::string draw(const BarChart& chart);

struct Interval {
  std::string name;
  double value = 0, low = 0, high = 0;
  std::vector<double> points;
  std::string text;
  int colour = 0;
};
/// Values with their intervals against zero: what is gained over each baseline.
struct IntervalChart {
  std::string title, note, x_label;
  std::vector<Interval> intervals;
  int width = 620;
};
std::string draw(const IntervalChart& chart);

struct ScatterPoint {
  double x = 0, y = 0;
  std::int64_t group = -1;  ///< index of its group, or -1
  std::string title;
};
/// A picture that stands for a point.
struct ScatterImage {
  std::size_t point = 0;
  std::string uri;
};
struct ScatterChart {
  std::string title, note;
  std::vector<std::string> groups;
  std::vector<ScatterPoint> points;
  std::vector<ScatterImage> images;
  int width = 900, height = 600, image_size = 27;
  double radius = 3.6;
  bool legend = true;
};
/// The axes of a map mean nothing, so there are none; both have the same scale. The legend's entries show one group alone.
std::string draw(const ScatterChart& chart);

/// Neighbouring points averaged so that a long series reads as a curve: a centred mean over `window` points, near the ends a straight
/// line fitted to what is left of the window.
std::vector<double> smooth(const std::vector<double>& y, std::size_t window);
/// At most about `most` points that keep the extremes of every stretch, in order.
void thin(std::vector<double>& x, std::vector<double>& y, std::size_t most);

}  // namespace selfsight::report
