#include "io/authors_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "io/pickle_reader.h"
#include "io/shown.h"

namespace nala::io {
namespace {

using Kind = PickleValue::Kind;

constexpr int kMaxDepth = 8;         // of an argument's value: values may contain themselves
constexpr size_t kMaxText = 10'000;  // of an argument

[[noreturn]] void refuse(const TorchFile& file, const std::string& what) {
  throw Error(ErrorKind::checkpoint, file.name() + ": " + what);
}

// A Python dict: a key set again keeps its place and takes the new value.
NamedTensors tensors_of(TorchFile& file, const PickleValue& dict, const std::string& what) {
  if (dict.kind != Kind::dict) {
    refuse(file, what + " is " + dict.description() +
                     ", expected a state dict (save model.state_dict(), not the model)");
  }
  NamedTensors tensors;
  std::unordered_map<std::string_view, size_t> places;
  for (const auto& [key, value] : dict.entries) {
    if (key->kind != Kind::text || value->kind != Kind::tensor) {
      refuse(file, what + ": found " + value->description() + " under " +
                       (key->kind == Kind::text ? in_quotes(key->text) : key->description()) +
                       ", expected tensors under names");
    }
    const auto [place, is_new] = places.emplace(key->text, tensors.size());
    if (is_new) {
      tensors.emplace_back(key->text, file.tensor(*value));
    } else {
      tensors[place->second].second = file.tensor(*value);
    }
  }
  return tensors;
}

// As Python prints it.
std::string number_text(double value) {
  return std::isfinite(value) ? nlohmann::json(value).dump() : std::to_string(value);
}

void append_text(const PickleValue& value, int depth, std::string& text) {
  if (text.size() > kMaxText) {
    return;
  }
  switch (value.kind) {
    case Kind::none:
      text += "null";
      return;
    case Kind::boolean:
      text += value.integer != 0 ? "true" : "false";
      return;
    case Kind::integer:
      text += std::to_string(value.integer);
      return;
    case Kind::real:
      text += number_text(value.real);
      return;
    case Kind::text:
      text.append(value.text, 0, kMaxText);
      return;
    case Kind::list:
    case Kind::tuple:
      text += '[';
      for (size_t i = 0; i < value.items.size() && depth < kMaxDepth && text.size() < kMaxText;
           ++i) {
        text += i > 0 ? ", " : "";
        append_text(*value.items[i], depth + 1, text);
      }
      text += ']';
      return;
    default:
      text += value.description();
  }
}

std::map<std::string, std::string> arguments_of(const PickleValue& args) {
  // A Namespace is an object whose state is the dict of its attributes.
  const PickleValue& dict = args.kind == Kind::object && args.state != nullptr ? *args.state : args;
  std::map<std::string, std::string> arguments;
  for (const auto& [key, value] : dict.entries) {
    if (key->kind == Kind::text) {
      std::string& text = arguments[key->text];
      text.clear();
      append_text(*value, 0, text);
    }
  }
  return arguments;
}

std::optional<double> number_of(TorchFile& file, const PickleValue& value) {
  if (value.kind == Kind::real) {
    return value.real;
  }
  if (value.kind == Kind::integer) {
    return static_cast<double>(value.integer);
  }
  if (value.kind == Kind::tensor) {
    const at::Tensor tensor = file.tensor(value);
    if (tensor.numel() == 1 && !tensor.is_complex()) {
      return tensor.to(at::kDouble).item<double>();
    }
  }
  return std::nullopt;
}

std::string keys_of(const PickleValue& dict) {
  constexpr size_t kMaxShown = 10;
  std::string text;
  for (size_t i = 0; i < std::min(dict.entries.size(), kMaxShown); ++i) {
    text += (i > 0 ? ", " : "") + in_quotes(dict.entries[i].first->text);
  }
  return text + (dict.entries.size() > kMaxShown ? ", ..." : "");
}

// The state dict among the entries, or the root itself if it is one.
NamedTensors model_of(TorchFile& file, const PickleValue& root) {
  for (const char* key : {"model", "state_dict"}) {
    const PickleValue* found = root.find(key);
    if (found != nullptr && found->kind != Kind::tensor) {
      return tensors_of(file, *found, in_quotes(key));
    }
  }
  const bool bare = !root.entries.empty() &&
                    std::all_of(root.entries.begin(), root.entries.end(), [](const auto& entry) {
                      return entry.second->kind == Kind::tensor;
                    });
  if (!bare) {
    refuse(file, "holds " + root.description() + " with the keys " + keys_of(root) +
                     "; expected 'model' or a state dict of tensors");
  }
  return tensors_of(file, root, "the state dict");
}

}  // namespace

AuthorsCheckpoint authors_checkpoint_of(TorchFile& file) {
  const PickleValue& root = file.root();
  AuthorsCheckpoint checkpoint{.model = model_of(file, root)};
  const PickleValue* ema = root.find("model_ema");
  if (ema != nullptr && ema->kind != Kind::none && ema->kind != Kind::tensor) {
    checkpoint.model_ema = tensors_of(file, *ema, "'model_ema'");
  }
  if (const PickleValue* epoch = root.find("epoch");
      epoch != nullptr && epoch->kind == Kind::integer) {
    checkpoint.epoch = epoch->integer;
  }
  if (const PickleValue* best = root.find("max_accuracy")) {
    checkpoint.max_accuracy = number_of(file, *best);
  }
  if (const PickleValue* args = root.find("args")) {
    checkpoint.arguments = arguments_of(*args);
  }
  return checkpoint;
}

AuthorsCheckpoint read_authors_checkpoint(const std::filesystem::path& path) {
  TorchFile file(path);
  return authors_checkpoint_of(file);
}

}  // namespace nala::io
