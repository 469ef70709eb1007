// Strict configuration: one description per key serves parsing, checking, help and printing.
//
// A settings struct names its keys once:
//
//   struct OptimizerConfig {
//     double lr = 5e-4;
//     Kind name = Kind::adamw;                     // an enum with names_of(Kind)
//     template <class V> static void fields(OptimizerConfig& c, V&& v) {
//       v("lr", c.lr, "learning rate", config::at_least(0));
//       v("name", c.name, "the update rule");
//     }
//     // Optional: what no single key can check. `fail` throws, naming the key's place.
//     static void check(const OptimizerConfig& c, const config::Where& fail) {
//       if (...) fail("lr", "must ... because ...");
//     }
//   };
//
// Kinds of field: bool, int64_t, double, std::string, Path, a named enum (a free function
// `std::span<const std::string_view> names_of(E)` beside it, in the order of the values from 0),
// std::optional and std::vector of these (a single value reads as a vector of one), and structs.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace nala::config {

/// Where something stands: `file:line:column`, or the name of what it came from.
struct Mark {
  std::shared_ptr<const std::string> source;
  int line = 0;    ///< from 1; 0: no place inside the source
  int column = 0;  ///< from 1
  [[nodiscard]] std::string text() const;
};

/// A parsed YAML value with the place it stands at. Mappings keep their order.
struct Value {
  enum class Kind { null, scalar, sequence, mapping };
  Kind kind = Kind::null;
  std::string text;     ///< of a scalar
  bool quoted = false;  ///< a scalar in quotes is a string, whatever it looks like
  Mark mark;            ///< of the key for a mapping's entry, else of the value
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> entries;

  [[nodiscard]] const Value* find(std::string_view key) const;
};

/// A path, absolute once read: where a file states it relatively, it is relative to that file;
/// where the command line does, to the working folder.
struct Path {
  std::string value;
  bool operator==(const Path&) const = default;
};

/// Closed bounds of a number.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;  ///< `low` itself is not allowed
};
constexpr Range at_least(double low) {
  return {.low = low};
}
constexpr Range above(double low) {
  return {.low = low, .low_open = true};
}
constexpr Range between(double low, double high) {
  return {.low = low, .high = high};
}

/// Throws Error(config) with the place of `key` of the struct being checked.
class Where {
 public:
  Where(const Value& value, std::string prefix) : value_(value), prefix_(std::move(prefix)) {}
  [[noreturn]] void operator()(std::string_view key, const std::string& message) const;

 private:
  const Value& value_;
  std::string prefix_;
};

/// One key, for `config help`.
struct KeyDescription {
  std::string key;      ///< dotted
  std::string type;     ///< e.g. "integer", "one of adamw sgd"
  std::string initial;  ///< the default as YAML
  std::string help;
};

/// Reads a file and, below its own keys, the file its `base` names (relative to it; any depth,
/// cycles refused). Throws Error(config) with file:line:column on anything that is not plain,
/// strict YAML: duplicate keys, anchors and aliases, tags, several documents, nesting beyond 32.
Value load(const std::filesystem::path& path);
/// The same of a text; `base` is refused.
Value parse(std::string_view text, const std::string& source);
/// Applies `a.b.c=value`; the value is YAML. Throws Error(config) when it is not of that form.
void apply_override(Value& root, std::string_view assignment);

std::string to_yaml(const Value& value);
nlohmann::ordered_json to_json(const Value& value);
/// Every leaf as (dotted key, value as YAML), in order.
std::vector<std::pair<std::string, std::string>> flatten(const Value& value);

/// What the templates below stand on.
namespace detail {

template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T value) {
  { names_of(value) } -> std::convertible_to<std::span<const std::string_view>>;
};

struct Context {
  std::string key;  ///< dotted
  Range range;
};

[[noreturn]] void wrong_type(const Value& value, const Context& context, std::string_view expected);
[[noreturn]] void unknown_key(const Value& entry,
                              const std::string& key,
                              std::string_view own,
                              const std::vector<std::string>& known);
void read(const Value& value, const Context& context, bool& out);
void read(const Value& value, const Context& context, int64_t& out);
void read(const Value& value, const Context& context, double& out);
void read(const Value& value, const Context& context, std::string& out);
void read(const Value& value, const Context& context, Path& out);
int read_enum(const Value& value, const Context& context, std::span<const std::string_view> names);

Value scalar(std::string text, bool quoted = false);
Value write(bool value);
Value write(int64_t value);
Value write(double value);
Value write(const std::string& value);
Value write(const Path& value);
std::string type_of_enum(std::span<const std::string_view> names);

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// A struct with fields(); probed with a visitor that takes anything.
struct Probe {
  template <class... A>
  void operator()(A&&...) const {}
};
template <class T>
concept Settings = requires(T& value) {
  T::fields(value, Probe{});
};
template <class T>
concept Checked = requires(const T& value, const Where& where) {
  T::check(value, where);
};

template <class T>
void read_any(const Value& value, const Context& context, T& out);

template <Settings T>
void read_struct(const Value& value, const std::string& prefix, T& out) {
  if (value.kind != Value::Kind::mapping && value.kind != Value::Kind::null) {
    wrong_type(value, {prefix, {}}, "a mapping of keys");
  }
  std::vector<std::string> known;
  const std::string dot = prefix.empty() ? "" : prefix + ".";
  T::fields(out, [&](std::string_view key, auto& field, std::string_view, Range range = {}) {
    known.emplace_back(key);
    if (const Value* entry = value.find(key)) {
      read_any(*entry, {dot + std::string(key), range}, field);
    }
  });
  for (const auto& [key, entry] : value.entries) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      unknown_key(entry, dot + key, key, known);
    }
  }
  if constexpr (Checked<T>) {
    T::check(out, Where(value, dot));
  }
}

template <class T>
void read_any(const Value& value, const Context& context, T& out) {
  if constexpr (Settings<T>) {
    read_struct(value, context.key, out);
  } else if constexpr (NamedEnum<T>) {
    out = static_cast<T>(read_enum(value, context, names_of(T{})));
  } else if constexpr (IsOptional<T>::value) {
    if (value.kind == Value::Kind::null) {
      out.reset();
    } else {
      read_any(value, context, out.emplace());
    }
  } else if constexpr (IsVector<T>::value) {
    out.clear();
    if (value.kind == Value::Kind::sequence) {
      for (const Value& item : value.items) {
        read_any(item, context, out.emplace_back());
      }
    } else if (value.kind != Value::Kind::null) {
      read_any(value, context, out.emplace_back());
    }
  } else {
    read(value, context, out);
  }
}

template <class T>
Value write_any(const T& value) {
  if constexpr (Settings<T>) {
    Value mapping{.kind = Value::Kind::mapping};
    T copy = value;
    T::fields(copy, [&](std::string_view key, auto& field, std::string_view, Range = {}) {
      mapping.entries.emplace_back(std::string(key), write_any(field));
    });
    return mapping;
  } else if constexpr (NamedEnum<T>) {
    return scalar(std::string(names_of(value)[static_cast<size_t>(value)]));
  } else if constexpr (IsOptional<T>::value) {
    return value ? write_any(*value) : Value{};
  } else if constexpr (IsVector<T>::value) {
    Value sequence{.kind = Value::Kind::sequence};
    for (const auto& item : value) {
      sequence.items.push_back(write_any(item));
    }
    return sequence;
  } else {
    return write(value);
  }
}

template <class T>
std::string type_of() {
  if constexpr (NamedEnum<T>) {
    return type_of_enum(names_of(T{}));
  } else if constexpr (IsOptional<T>::value) {
    return type_of<typename T::value_type>() + ", or null";
  } else if constexpr (IsVector<T>::value) {
    return "list of " + type_of<typename T::value_type>();
  } else if constexpr (std::same_as<T, bool>) {
    return "true or false";
  } else if constexpr (std::same_as<T, int64_t>) {
    return "integer";
  } else if constexpr (std::same_as<T, double>) {
    return "number";
  } else if constexpr (std::same_as<T, Path>) {
    return "path";
  } else {
    return "text";
  }
}

std::string range_text(const Range& range);

template <Settings T>
void describe_struct(const std::string& prefix, std::vector<KeyDescription>& out) {
  T defaults{};
  T::fields(defaults,
            [&]<class F>(std::string_view key, F& field, std::string_view help, Range range = {}) {
              const std::string name = prefix + std::string(key);
              if constexpr (Settings<F>) {
                describe_struct<F>(name + ".", out);
              } else {
                out.push_back({name, type_of<F>() + range_text(range), to_yaml(write_any(field)),
                               std::string(help)});
              }
            });
}

}  // namespace detail

/// Fills a settings struct, defaults where the value is silent. Throws Error(config) naming
/// file:line:column, the dotted key and the nearest known key.
template <detail::Settings T>
T read(const Value& value) {
  T settings{};
  detail::read_struct(value, "", settings);
  return settings;
}

/// The settings as a value, every key included.
template <detail::Settings T>
Value write(const T& settings) {
  return detail::write_any(settings);
}

/// Every key of the settings, in order.
template <detail::Settings T>
std::vector<KeyDescription> describe() {
  std::vector<KeyDescription> keys;
  detail::describe_struct<T>("", keys);
  return keys;
}

}  // namespace nala::config
