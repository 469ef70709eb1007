#include "bench/profile_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/number_text.h"
#include "report/bars.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

struct NamedTotals {
  OperatorKind kind;
  KindTotals totals;
};

// The kinds that took time, the longest first and `other` last.
std::vector<NamedTotals> sorted_kinds(const StepProfile& profile) {
  std::vector<NamedTotals> kinds;
  for (size_t i = 0; i < kOperatorKinds; ++i) {
    if (profile.kinds[i].ms > 0) {
      kinds.push_back({static_cast<OperatorKind>(i), profile.kinds[i]});
    }
  }
  const auto last = [](const NamedTotals& kind) { return kind.kind == OperatorKind::other; };
  std::sort(kinds.begin(), kinds.end(), [&](const NamedTotals& a, const NamedTotals& b) {
    return last(a) != last(b) ? last(b) : a.totals.ms > b.totals.ms;
  });
  return kinds;
}

bool bound_by_arithmetic(const KindTotals& totals) {
  return totals.arithmetic_ms > totals.memory_ms;
}

// GFLOP/s or GB/s, whichever roof is the nearer one.
std::string rate_text(const KindTotals& totals) {
  if (totals.floor_ms == 0) {
    return "";
  }
  return bound_by_arithmetic(totals) ? fixed(totals.gflop / totals.ms * 1e3, 1) + " GFLOP/s"
                                     : fixed(totals.gigabytes / totals.ms * 1e3, 1) + " GB/s";
}

std::string percent_text(double share) {
  return fixed(100 * share, share < 0.0995 ? 1 : 0) + " %";
}

std::string roof_text(const KindTotals& totals) {
  return totals.floor_ms > 0 ? percent_text(totals.floor_ms / totals.ms) : "";
}

double floor_of(const StepProfile& profile) {
  double sum = 0;
  for (const KindTotals& totals : profile.kinds) {
    sum += totals.floor_ms;
  }
  return sum;
}

std::string line_of(const std::array<std::string, 7>& cells) {
  char text[160];
  std::snprintf(text, sizeof text, "%-19s %6s %10s %8s %16s %10s %8s\n", cells[0].c_str(),
                cells[1].c_str(), cells[2].c_str(), cells[3].c_str(), cells[4].c_str(),
                cells[5].c_str(), cells[6].c_str());
  return text;
}

std::string roofs_text(const Roofs& roofs) {
  std::string text = "copies " + fixed(roofs.copy_gb_per_s, 1) + " GB/s, products " +
                     fixed(roofs.float32_gflop_per_s, 0) + " GFLOP/s in float32";
  if (roofs.half_gflop_per_s != roofs.float32_gflop_per_s) {
    text += ", " + fixed(roofs.half_gflop_per_s, 0) + " in half precision";
  }
  return text;
}

}  // namespace

Roofs measure_roofs(at::Device device, at::ScalarType dtype) {
  const MachineRates wide = machine_rates(device, at::kFloat);
  return {.copy_gb_per_s = wide.copy_gb_per_s,
          .float32_gflop_per_s = wide.gflop_per_s,
          .half_gflop_per_s =
              dtype == at::kFloat ? wide.gflop_per_s : machine_rates(device, dtype).gflop_per_s};
}

std::string profile_text(const ProfileReport& report) {
  const StepProfile& profile = report.profile;
  std::string text = "\n" + report.title + ", by kind of operator\n\n" +
                     line_of({"kind", "calls", "ms", "share", "rate", "least ms", "of roof"});
  for (const auto& [kind, totals] : sorted_kinds(profile)) {
    text +=
        line_of({std::string(name_of(kind)), totals.calls > 0 ? std::to_string(totals.calls) : "",
                 fixed(totals.ms, 2), percent_text(totals.ms / profile.ms), rate_text(totals),
                 totals.floor_ms > 0 ? fixed(totals.floor_ms, 2) : "", roof_text(totals)});
  }
  const double floor = floor_of(profile);
  text += line_of({"together", "", fixed(profile.ms, 2), "100 %", "", fixed(floor, 2),
                   percent_text(floor / profile.ms)});
  return text + "\nWithout listening the step takes " + fixed(report.plain_ms, 2) +
         " ms. Roofs measured here: " + roofs_text(report.roofs) +
         ".\nAbove 100 %: tensors that stay in the caches are not bound by memory.\n";
}

ordered_json profile_json(const ProfileReport& report) {
  const StepProfile& profile = report.profile;
  ordered_json kinds = ordered_json::array();
  for (const auto& [kind, totals] : sorted_kinds(profile)) {
    const bool bounded = totals.floor_ms > 0;
    kinds.push_back(
        {{"kind", name_of(kind)},
         {"calls", totals.calls},
         {"ms", totals.ms},
         {"share", totals.ms / profile.ms},
         {"gflop", totals.gflop},
         {"gigabytes", totals.gigabytes},
         {"gflop_per_s", totals.gflop / totals.ms * 1e3},
         {"gb_per_s", totals.gigabytes / totals.ms * 1e3},
         {"bound_by", bounded ? ordered_json(bound_by_arithmetic(totals) ? "arithmetic" : "memory")
                              : ordered_json()},
         {"least_ms", totals.floor_ms},
         {"share_of_roof", bounded ? ordered_json(totals.floor_ms / totals.ms) : ordered_json()}});
  }
  return {{"step_ms", profile.ms},
          {"plain_step_ms", report.plain_ms},
          {"least_ms", floor_of(profile)},
          {"copy_gb_per_s", report.roofs.copy_gb_per_s},
          {"float32_gflop_per_s", report.roofs.float32_gflop_per_s},
          {"half_gflop_per_s", report.roofs.half_gflop_per_s},
          {"kinds", std::move(kinds)}};
}

std::string profile_picture(const ProfileReport& report) {
  report::BarChart chart{.title = report.title,
                         .subtitle = "roofs measured in the same run: " + roofs_text(report.roofs),
                         .axis = "milliseconds of a step",
                         .value_name = "measured",
                         .floor_name = "least that the roof allows",
                         .bars = {}};
  for (const auto& [kind, totals] : sorted_kinds(report.profile)) {
    std::string note = fixed(totals.ms, 1) + " ms, " + percent_text(totals.ms / report.profile.ms);
    if (totals.floor_ms > 0) {
      note += ", " + roof_text(totals) + " of roof";
    }
    chart.bars.push_back({.name = std::string(name_of(kind)),
                          .value = totals.ms,
                          .floor = totals.floor_ms,
                          .note = note});
  }
  return report::render_bars(chart);
}

}  // namespace nala::tools
