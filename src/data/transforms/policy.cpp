#include "data/transforms/policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "core/error.h"

namespace nala::data {
namespace {

constexpr double kFullMagnitude = 10.0;

// How a magnitude m becomes an argument; l = m / 10.
enum class Level {
  none,
  rotate,                // +- 30 l degrees
  posterize,             // int(4 l)
  posterize_increasing,  // 4 - int(4 l)
  solarize,              // min(256, int(256 l))
  solarize_increasing,   // 256 - that
  solarize_add,          // min(128, int(110 l))
  enhance,               // 1.8 l + 0.1
  enhance_increasing,    // max(0.1, 1 +- 0.9 l)
  shear,                 // +- 0.3 l
  translate,             // +- 0.45 l
  desaturate,            // 1 - (0.5 + 0.5 l), l cut at 1
  blur,                  // 0.1 + 1.9 l, l cut at 1
  blur_random,           // uniform in 0.1 ... 2 l, l cut at 1
};

struct Kind {
  std::string_view name;
  Operation operation;
  Level level;
};

constexpr std::array<Kind, 25> kKinds{{
    {"AutoContrast", Operation::auto_contrast, Level::none},
    {"Equalize", Operation::equalize, Level::none},
    {"Invert", Operation::invert, Level::none},
    {"Rotate", Operation::rotate, Level::rotate},
    {"Posterize", Operation::posterize, Level::posterize},
    {"PosterizeIncreasing", Operation::posterize, Level::posterize_increasing},
    {"Solarize", Operation::solarize, Level::solarize},
    {"SolarizeIncreasing", Operation::solarize, Level::solarize_increasing},
    {"SolarizeAdd", Operation::solarize_add, Level::solarize_add},
    {"Color", Operation::color, Level::enhance},
    {"ColorIncreasing", Operation::color, Level::enhance_increasing},
    {"Contrast", Operation::contrast, Level::enhance},
    {"ContrastIncreasing", Operation::contrast, Level::enhance_increasing},
    {"Brightness", Operation::brightness, Level::enhance},
    {"BrightnessIncreasing", Operation::brightness, Level::enhance_increasing},
    {"Sharpness", Operation::sharpness, Level::enhance},
    {"SharpnessIncreasing", Operation::sharpness, Level::enhance_increasing},
    {"ShearX", Operation::shear_x, Level::shear},
    {"ShearY", Operation::shear_y, Level::shear},
    {"TranslateXRel", Operation::translate_x, Level::translate},
    {"TranslateYRel", Operation::translate_y, Level::translate},
    {"Desaturate", Operation::color, Level::desaturate},
    {"GaussianBlur", Operation::gaussian_blur, Level::blur},
    {"GaussianBlurRand", Operation::gaussian_blur, Level::blur_random},
}};

// A name with its weight.
using Entry = std::pair<std::string_view, double>;

constexpr std::array<Entry, 15> kPlain{{{"AutoContrast", 1},
                                        {"Equalize", 1},
                                        {"Invert", 1},
                                        {"Rotate", 1},
                                        {"Posterize", 1},
                                        {"Solarize", 1},
                                        {"SolarizeAdd", 1},
                                        {"Color", 1},
                                        {"Contrast", 1},
                                        {"Brightness", 1},
                                        {"Sharpness", 1},
                                        {"ShearX", 1},
                                        {"ShearY", 1},
                                        {"TranslateXRel", 1},
                                        {"TranslateYRel", 1}}};
constexpr std::array<Entry, 15> kIncreasing{{{"AutoContrast", 1},
                                             {"Equalize", 1},
                                             {"Invert", 1},
                                             {"Rotate", 1},
                                             {"PosterizeIncreasing", 1},
                                             {"SolarizeIncreasing", 1},
                                             {"SolarizeAdd", 1},
                                             {"ColorIncreasing", 1},
                                             {"ContrastIncreasing", 1},
                                             {"BrightnessIncreasing", 1},
                                             {"SharpnessIncreasing", 1},
                                             {"ShearX", 1},
                                             {"ShearY", 1},
                                             {"TranslateXRel", 1},
                                             {"TranslateYRel", 1}}};
constexpr std::array<Entry, 3> kThree{
    {{"SolarizeIncreasing", 1}, {"Desaturate", 1}, {"GaussianBlur", 1}}};
constexpr std::array<Entry, 14> kThreeWeighted{{{"SolarizeIncreasing", 6},
                                                {"Desaturate", 6},
                                                {"GaussianBlur", 6},
                                                {"Rotate", 3},
                                                {"ShearX", 2},
                                                {"ShearY", 2},
                                                {"PosterizeIncreasing", 1},
                                                {"AutoContrast", 1},
                                                {"ColorIncreasing", 1},
                                                {"SharpnessIncreasing", 1},
                                                {"ContrastIncreasing", 1},
                                                {"BrightnessIncreasing", 1},
                                                {"Equalize", 1},
                                                {"Invert", 1}}};
constexpr std::array<Entry, 15> kWeighted{{{"Rotate", 3},
                                           {"ShearX", 2},
                                           {"ShearY", 2},
                                           {"TranslateXRel", 1},
                                           {"TranslateYRel", 1},
                                           {"ColorIncreasing", 0.25},
                                           {"SharpnessIncreasing", 0.25},
                                           {"AutoContrast", 0.25},
                                           {"SolarizeIncreasing", 0.05},
                                           {"SolarizeAdd", 0.05},
                                           {"ContrastIncreasing", 0.05},
                                           {"BrightnessIncreasing", 0.05},
                                           {"Equalize", 0.05},
                                           {"PosterizeIncreasing", 0.05},
                                           {"Invert", 0.05}}};

double either_sign(double value, Rng& rng) {
  return rng.chance(0.5) ? -value : value;
}

double argument_of(Level kind, double magnitude, Rng& rng) {
  const double level = magnitude / kFullMagnitude;
  const double cut = std::min(level, 1.0);
  switch (kind) {
    case Level::rotate:
      return either_sign(level * 30.0, rng);
    case Level::posterize:
      return std::trunc(level * 4);
    case Level::posterize_increasing:
      return std::max(4 - std::trunc(level * 4), 0.0);
    case Level::solarize:
      return std::min(256.0, std::trunc(level * 256));
    case Level::solarize_increasing:
      return 256.0 - std::min(256.0, std::trunc(level * 256));
    case Level::solarize_add:
      return std::min(128.0, std::trunc(level * 110));
    case Level::enhance:
      return level * 1.8 + 0.1;
    case Level::enhance_increasing:
      return std::max(0.1, 1.0 + either_sign(level * 0.9, rng));
    case Level::shear:
      return either_sign(level * 0.3, rng);
    case Level::translate:
      return either_sign(level * 0.45, rng);
    case Level::desaturate:
      return 1.0 - (0.5 + 0.5 * cut);
    case Level::blur:
      return 0.1 + (2.0 - 0.1) * cut;
    case Level::blur_random:
      return rng.uniform(0.1, 2.0 * cut);
    case Level::none:
      break;
  }
  return 0.0;
}

[[noreturn]] void refuse(std::string_view text, std::string_view section, const char* expected) {
  throw Error(ErrorKind::config, "'" + std::string(text) + "': section '" + std::string(section) +
                                     "': expected " + expected);
}

}  // namespace

DrawnOperation draw_operation(std::string_view name, double magnitude, Rng& rng) {
  const auto* kind =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& row) { return row.name == name; });
  return {kind->operation, argument_of(kind->level, magnitude, rng)};
}

AugmentPolicy::AugmentPolicy(std::string_view text) {
  if (text == "3a") {
    per_picture_ = 1;
    for (const auto& [name, magnitude] :
         {Entry{"Solarize", 5}, {"Desaturate", 10}, {"GaussianBlurRand", 10}}) {
      steps_.push_back({name, 1.0, magnitude, 1.0});
    }
    return;
  }
  std::string_view rest = text;
  for (bool first = true; first || !rest.empty(); first = false) {
    const size_t end = std::min(rest.find('-'), rest.size());
    const std::string_view section = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (first && section != "rand") {
      refuse(text, section, "'3a', or 'rand' with sections such as -m9-mstd0.5-inc1");
    }
    if (!first) {
      read_section(section, text);
    }
  }
  choose_list(list_, text);
}

void AugmentPolicy::read_section(std::string_view section, std::string_view text) {
  if (section.starts_with('t')) {
    list_ = section.substr(1);
    return;
  }
  const size_t digits = std::min(section.find_first_of("0123456789"), section.size());
  const std::string_view key = section.substr(0, digits);
  const std::string_view number = section.substr(digits);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const bool whole = value == std::floor(value) && number.find('.') == std::string_view::npos;
  if (error != std::errc() || end != number.data() + number.size() || !(value <= 1e6)) {
    refuse(text, section, "a name and a number, such as m9");
  }
  if (key == "mstd") {
    deviation_ = value > 100 ? std::numeric_limits<double>::infinity() : value;
  } else if (key == "p" && value <= 1) {
    probability_ = value;
  } else if (key == "mmax" && whole && value > 0) {
    upper_bound_ = value;
  } else if (key == "m" && whole) {
    magnitude_ = value;
  } else if (key == "n" && whole && value >= 1 && value <= 64) {
    per_picture_ = static_cast<int64_t>(value);
  } else if (key == "inc" && whole) {
    increasing_ = value != 0;
  } else {
    refuse(text, section,
           "one of m, n, mmax, inc with a whole number, p up to 1, mstd, or t with "
           "the name of a list");
  }
}

void AugmentPolicy::choose_list(std::string_view name, std::string_view text) {
  std::span<const Entry> entries = kPlain;
  if (name == "3a") {
    entries = kThree;
  } else if (name == "3aw") {
    entries = kThreeWeighted;
  } else if (name == "weights") {
    entries = kWeighted;
  } else if (!name.empty()) {
    refuse(text, name, "the list t3a, t3aw or tweights");
  } else if (increasing_) {
    entries = kIncreasing;
  }
  weighted_ = name == "3aw" || name == "weights";
  if (weighted_ && per_picture_ > static_cast<int64_t>(entries.size())) {
    refuse(text, name, "no more operations per picture (n) than the list has");
  }
  for (const auto& [step, weight] : entries) {
    steps_.push_back({step, probability_, magnitude_, weight});
  }
}

std::vector<const PolicyStep*> AugmentPolicy::draw_steps(Rng& rng) const {
  std::vector<const PolicyStep*> drawn;
  const auto count = static_cast<size_t>(per_picture_);
  if (!weighted_) {
    while (drawn.size() < count) {
      drawn.push_back(&steps_[static_cast<size_t>(rng.integer(std::ssize(steps_)))]);
    }
    return drawn;
  }
  std::vector<const PolicyStep*> left;
  double total = 0;
  for (const PolicyStep& step : steps_) {
    left.push_back(&step);
    total += step.weight;
  }
  while (drawn.size() < count) {
    double at = rng.uniform(0.0, total);
    size_t chosen = 0;
    while (chosen + 1 < left.size() && at >= left[chosen]->weight) {
      at -= left[chosen++]->weight;
    }
    total -= left[chosen]->weight;
    drawn.push_back(left[chosen]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return drawn;
}

double AugmentPolicy::draw_magnitude(const PolicyStep& step, Rng& rng) const {
  double magnitude = step.magnitude;
  if (std::isinf(deviation_)) {
    magnitude = rng.uniform(0.0, magnitude);
  } else if (deviation_ > 0) {
    magnitude += deviation_ * rng.normal();
  }
  return std::clamp(magnitude, 0.0, upper_bound_);
}

Image AugmentPolicy::operator()(Image image,
                                std::optional<Interpolation> interpolation,
                                const Colour& fill,
                                Rng& rng) const {
  for (const PolicyStep* step : draw_steps(rng)) {
    if (!rng.chance(step->probability)) {
      continue;
    }
    const DrawnOperation drawn = draw_operation(step->name, draw_magnitude(*step, rng), rng);
    Sampling sampling{interpolation.value_or(Interpolation::bicubic), fill};
    if (!interpolation && is_geometric(drawn.operation)) {
      sampling.interpolation = rng.chance(0.5) ? Interpolation::bicubic : Interpolation::bilinear;
    }
    image = apply(drawn.operation, drawn.argument, std::move(image), sampling);
  }
  return image;
}

}  // namespace nala::data
