#include "eval/metrics/real_labels.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace nala::eval {
namespace {

constexpr uint64_t kMaxBytes = 64 << 20;
constexpr int64_t kClasses = 1000;

}  // namespace

RealLabels RealLabels::read(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::data, path.string() + ": " + what +
                                     "; expected a JSON list that holds, per validation picture, "
                                     "the list of its classes");
  };
  RealLabels labels;
  labels.source_ = path.string();
  const auto parsed = nlohmann::json::parse(read_file(path, kMaxBytes), nullptr, false);
  if (!parsed.is_array() || parsed.empty()) {
    fail("no such list");
  }
  for (const auto& classes : parsed) {
    auto& own = labels.labels_.emplace_back();
    const std::string entry = "entry " + std::to_string(labels.labels_.size() - 1);
    if (!classes.is_array()) {
      fail(entry + " is no list");
    }
    for (const auto& number : classes) {
      if (!number.is_number_integer() || number < 0 || number >= kClasses) {
        fail(entry + " holds " + number.dump().substr(0, 40));
      }
      own.push_back(number.get<int64_t>());
    }
  }
  return labels;
}

const std::vector<int64_t>& RealLabels::of(const std::filesystem::path& picture) const {
  const std::string stem = picture.stem().string();
  const std::string digits = stem.substr(std::min(stem.size(), stem.rfind('_') + 1));
  size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 1 ||
      number > labels_.size()) {
    throw Error(ErrorKind::data, picture.string() + ": not named as a picture of " + source_ +
                                     ": expected ILSVRC2012_val_ and a number from 1 to " +
                                     std::to_string(labels_.size()));
  }
  return labels_[number - 1];
}

void RealAccuracy::add(const std::filesystem::path& picture, int64_t best_class) {
  const std::vector<int64_t>& right = labels_.of(picture);
  if (right.empty()) {
    return;
  }
  ++images_;
  right_ += std::find(right.begin(), right.end(), best_class) != right.end() ? 1 : 0;
}

}  // namespace nala::eval
