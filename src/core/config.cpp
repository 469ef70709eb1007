#include "core/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"

namespace nala::config {
namespace {

[[noreturn]] void fail(const Mark& mark, const std::string& message) {
  throw Error(ErrorKind::config, mark.text() + ": " + message);
}

// Levenshtein distance, for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

template <class T>
bool parse_number(std::string_view text, T& out) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string shortest(double value) {
  if (std::isnan(value)) {
    return ".nan";
  }
  if (std::isinf(value)) {
    return value > 0 ? ".inf" : "-.inf";
  }
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), result.ptr);
  if (text.find_first_of(".en") == std::string::npos) {
    text += ".0";
  }
  return text;
}

constexpr std::array<std::string_view, 5> kWords{"null", "~", "true", "false", ""};

// Whether a plain scalar would read back as something else than this text.
bool needs_quotes(const std::string& text) {
  double number = 0;
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end() ||
         parse_number(text, number) ||
         text.find_first_of(":{}[],&*#?|<>=!%@\\\"'`") != std::string::npos ||
         std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }) ||
         text.front() == ' ' || text.back() == ' ' || text.front() == '-';
}

std::string in_quotes(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string scalar_text(const Value& value) {
  if (value.kind == Value::Kind::null) {
    return "null";
  }
  // A plain word of a file may hold signs that mean something else where it is printed.
  const bool word = std::find(kWords.begin(), kWords.end(), value.text) != kWords.end();
  double number = 0;
  const bool quotes =
      value.quoted || (!word && !parse_number(value.text, number) && needs_quotes(value.text));
  return quotes ? in_quotes(value.text) : value.text;
}

std::string key_text(const std::string& key) {
  return needs_quotes(key) ? in_quotes(key) : key;
}

bool is_leaf(const Value& value) {
  return value.kind == Value::Kind::null || value.kind == Value::Kind::scalar;
}

std::string flow(const Value& value) {
  if (is_leaf(value)) {
    return scalar_text(value);
  }
  std::string text = value.kind == Value::Kind::sequence ? "[" : "{";
  const char* separator = "";
  for (const Value& item : value.items) {
    text += separator + flow(item);
    separator = ", ";
  }
  for (const auto& [key, item] : value.entries) {
    text += separator + key_text(key) + ": " + flow(item);
    separator = ", ";
  }
  return text + (value.kind == Value::Kind::sequence ? "]" : "}");
}

void block(const Value& mapping, const std::string& indent, std::string& out) {
  for (const auto& [key, value] : mapping.entries) {
    out += indent + key_text(key) + ":";
    if (value.kind == Value::Kind::mapping && !value.entries.empty()) {
      out += "\n";
      block(value, indent + "  ", out);
    } else {
      out += " " + flow(value) + "\n";
    }
  }
}

void check_range(const Value& value, const detail::Context& context, double number) {
  const Range& range = context.range;
  const bool low = range.low_open ? number > range.low : number >= range.low;
  if (!low || !(number <= range.high)) {
    fail(value.mark, context.key + ": " + value.text + " is out of range, expected" +
                         detail::range_text(range));
  }
}

bool plain_scalar(const Value& value) {
  return value.kind == Value::Kind::scalar && !value.quoted;
}

}  // namespace

std::string Mark::text() const {
  const std::string name = source ? *source : "configuration";
  return line == 0 ? name : name + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const Value* Value::find(std::string_view key) const {
  const auto same = std::find_if(entries.begin(), entries.end(),
                                 [&](const auto& entry) { return entry.first == key; });
  return same == entries.end() ? nullptr : &same->second;
}

void Where::operator()(std::string_view key, const std::string& message) const {
  const Value* entry = value_.find(key);
  fail(entry ? entry->mark : value_.mark, prefix_ + std::string(key) + ": " + message);
}

std::string to_yaml(const Value& value) {
  if (value.kind != Value::Kind::mapping) {
    return flow(value);
  }
  std::string text;
  block(value, "", text);
  return text;
}

nlohmann::ordered_json to_json(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return nullptr;
    case Value::Kind::sequence: {
      auto list = nlohmann::ordered_json::array();
      for (const Value& item : value.items) {
        list.push_back(to_json(item));
      }
      return list;
    }
    case Value::Kind::mapping: {
      auto object = nlohmann::ordered_json::object();
      for (const auto& [key, item] : value.entries) {
        object[key] = to_json(item);
      }
      return object;
    }
    case Value::Kind::scalar:
      break;
  }
  int64_t integer = 0;
  double number = 0;
  if (!value.quoted && (value.text == "true" || value.text == "false")) {
    return value.text == "true";
  }
  if (!value.quoted && parse_number(value.text, integer)) {
    return integer;
  }
  if (!value.quoted && parse_number(value.text, number)) {
    return number;
  }
  return value.text;
}

std::vector<std::pair<std::string, std::string>> flatten(const Value& value) {
  std::vector<std::pair<std::string, std::string>> leaves;
  for (const auto& [key, item] : value.entries) {
    if (item.kind != Value::Kind::mapping) {
      leaves.emplace_back(key, flow(item));
      continue;
    }
    for (auto& [inner, text] : flatten(item)) {
      leaves.emplace_back(key + "." + inner, std::move(text));
    }
  }
  return leaves;
}

namespace detail {

void wrong_type(const Value& value, const Context& context, std::string_view expected) {
  const std::string found = flow(value);
  fail(value.mark, (context.key.empty() ? "" : context.key + ": ") + "expected " +
                       std::string(expected) + ", found " +
                       (found.size() > 60 ? found.substr(0, 57) + "..." : found));
}

void unknown_key(const Value& entry,
                 const std::string& key,
                 std::string_view own,
                 const std::vector<std::string>& known) {
  std::string message = key + ": unknown key";
  const auto nearest = std::min_element(
      known.begin(), known.end(),
      [&](const auto& a, const auto& b) { return edit_distance(own, a) < edit_distance(own, b); });
  if (nearest != known.end() &&
      edit_distance(own, *nearest) <= std::max<size_t>(2, own.size() / 3)) {
    message += "; did you mean '" + *nearest + "'?";
  }
  message += "; known:";
  for (const std::string& name : known) {
    message += " " + name;
  }
  fail(entry.mark, message);
}

void read(const Value& value, const Context& context, bool& out) {
  if (!plain_scalar(value) || (value.text != "true" && value.text != "false")) {
    wrong_type(value, context, "true or false");
  }
  out = value.text == "true";
}

void read(const Value& value, const Context& context, int64_t& out) {
  double number = 0;
  if (plain_scalar(value) && parse_number(value.text, out)) {
    number = static_cast<double>(out);
  } else if (plain_scalar(value) && parse_number(value.text, number) &&
             number == std::floor(number) && std::abs(number) < 0x1.0p53) {
    out = static_cast<int64_t>(number);  // 1e3
  } else {
    wrong_type(value, context, "a whole number");
  }
  check_range(value, context, number);
}

void read(const Value& value, const Context& context, double& out) {
  if (!plain_scalar(value) || !parse_number(value.text, out) || !std::isfinite(out)) {
    wrong_type(value, context, "a number");
  }
  check_range(value, context, out);
}

void read(const Value& value, const Context& context, std::string& out) {
  if (value.kind == Value::Kind::null) {
    out.clear();
    return;
  }
  if (value.kind != Value::Kind::scalar) {
    wrong_type(value, context, "text");
  }
  out = value.text;
}

void read(const Value& value, const Context& context, Path& out) {
  read(value, context, out.value);
  const std::filesystem::path path(out.value);
  if (!out.value.empty() && path.is_relative() && value.mark.line > 0 && value.mark.source) {
    const auto folder = std::filesystem::path(*value.mark.source).parent_path();
    out.value = std::filesystem::absolute(folder / path).lexically_normal().string();
  } else if (!out.value.empty()) {
    out.value = std::filesystem::absolute(path).lexically_normal().string();
  }
}

int read_enum(const Value& value, const Context& context, std::span<const std::string_view> names) {
  const auto found = std::find(names.begin(), names.end(), value.text);
  if (value.kind != Value::Kind::scalar || found == names.end()) {
    wrong_type(value, context, type_of_enum(names));
  }
  return static_cast<int>(found - names.begin());
}

Value scalar(std::string text, bool quoted) {
  return {.kind = Value::Kind::scalar, .text = std::move(text), .quoted = quoted};
}

Value write(bool value) {
  return scalar(value ? "true" : "false");
}
Value write(int64_t value) {
  return scalar(std::to_string(value));
}
Value write(double value) {
  return scalar(shortest(value));
}
Value write(const std::string& value) {
  return scalar(value, needs_quotes(value));
}
Value write(const Path& value) {
  return write(value.value);
}

std::string type_of_enum(std::span<const std::string_view> names) {
  std::string text = "one of";
  for (const std::string_view name : names) {
    text += " " + std::string(name);
  }
  return text;
}

std::string range_text(const Range& range) {
  const auto number = [](double value) {
    std::string text = shortest(value);
    return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
  };
  if (std::isinf(range.low) && std::isinf(range.high)) {
    return "";
  }
  if (std::isinf(range.high)) {
    return (range.low_open ? " > " : " >= ") + number(range.low);
  }
  return " from " + number(range.low) + (range.low_open ? " (excluded)" : "") + " to " +
         number(range.high);
}

}  // namespace detail
}  // namespace nala::config
